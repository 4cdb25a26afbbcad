// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The namespace of everything that is compiled for a list of GPU architectures. Two files built for
// different lists then hold two sets of launchers, and neither runs the other's kernels (CUB's
// reason for the same).
#pragma once

#define SPARSELLM_CUDA_PASTE(a, b, c, d, e, f, g, h, ...) \
  arch_##a##_##b##_##c##_##d##_##e##_##f##_##g##_##h
#define SPARSELLM_CUDA_NAME(...) SPARSELLM_CUDA_PASTE(__VA_ARGS__)
// nvcc defines __CUDA_ARCH_LIST__, host passes included; up to eight architectures tell lists
// apart.
#define SPARSELLM_CUDA_ARCHITECTURES SPARSELLM_CUDA_NAME(__CUDA_ARCH_LIST__, , , , , , , , )
