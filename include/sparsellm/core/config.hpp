// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The one place that asks which compiler this is and what it was told. Only this file and
// cpu/isa/target.hpp may test compiler or machine macros; test/layering holds that.
#pragma once

#if defined(__CUDACC__)
#define SPARSELLM_HD __host__ __device__
#else
#define SPARSELLM_HD
#endif

// Members of types that cross translation units are forced inline: a file built with -march=native
// and one built without may then exchange them, and no shared out-of-line copy exists for the
// linker to take from the wrong file. SIMD kernels use it so that a call never leaves its target.
#if defined(_MSC_VER) && !defined(__clang__)
#define SPARSELLM_INLINE __forceinline
#define SPARSELLM_RESTRICT __restrict
#else
#define SPARSELLM_INLINE inline __attribute__((always_inline))
#define SPARSELLM_RESTRICT __restrict__
#endif

#if defined(__linux__)
#define SPARSELLM_HAS_MADVISE 1
#else
#define SPARSELLM_HAS_MADVISE 0
#endif

// Object files whose linker knows absolute symbols; device code has none.
#if defined(__ELF__) && !defined(__CUDA_ARCH__)
#define SPARSELLM_HAS_ELF 1
#else
#define SPARSELLM_HAS_ELF 0
#endif

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define SPARSELLM_HAS_EXCEPTIONS 1
#else
#define SPARSELLM_HAS_EXCEPTIONS 0
#endif

// Everything else the library defines lives in an inline namespace named after the instruction
// set the *user's* flags allow. Two files with different -march then hold two sets of functions,
// and the linker cannot hand AVX-512 code to the file that asked for none (docs/decisions/0002).
// One digit each: SSE4.2, AVX, AVX2, FMA, BMI2, F16C, AVX-512F, AVX-512VL, AVX-512-BF16,
// exceptions.
#if defined(__SSE4_2__)
#define SPARSELLM_BASELINE_A 1
#else
#define SPARSELLM_BASELINE_A 0
#endif
#if defined(__AVX__)
#define SPARSELLM_BASELINE_B 1
#else
#define SPARSELLM_BASELINE_B 0
#endif
#if defined(__AVX2__)
#define SPARSELLM_BASELINE_C 1
#else
#define SPARSELLM_BASELINE_C 0
#endif
#if defined(__FMA__)
#define SPARSELLM_BASELINE_D 1
#else
#define SPARSELLM_BASELINE_D 0
#endif
#if defined(__BMI2__)
#define SPARSELLM_BASELINE_E 1
#else
#define SPARSELLM_BASELINE_E 0
#endif
#if defined(__F16C__)
#define SPARSELLM_BASELINE_F 1
#else
#define SPARSELLM_BASELINE_F 0
#endif
#if defined(__AVX512F__)
#define SPARSELLM_BASELINE_G 1
#else
#define SPARSELLM_BASELINE_G 0
#endif
#if defined(__AVX512VL__)
#define SPARSELLM_BASELINE_H 1
#else
#define SPARSELLM_BASELINE_H 0
#endif
#if defined(__AVX512BF16__)
#define SPARSELLM_BASELINE_I 1
#else
#define SPARSELLM_BASELINE_I 0
#endif
#define SPARSELLM_BASELINE_PASTE(a, b, c, d, e, f, g, h, i, j) \
  baseline_##a##b##c##d##e##f##g##h##i##j
#define SPARSELLM_BASELINE_NAME(a, b, c, d, e, f, g, h, i, j) \
  SPARSELLM_BASELINE_PASTE(a, b, c, d, e, f, g, h, i, j)
#define SPARSELLM_BASELINE                                                                  \
  SPARSELLM_BASELINE_NAME(SPARSELLM_BASELINE_A, SPARSELLM_BASELINE_B, SPARSELLM_BASELINE_C, \
                          SPARSELLM_BASELINE_D, SPARSELLM_BASELINE_E, SPARSELLM_BASELINE_F, \
                          SPARSELLM_BASELINE_G, SPARSELLM_BASELINE_H, SPARSELLM_BASELINE_I, \
                          SPARSELLM_HAS_EXCEPTIONS)
