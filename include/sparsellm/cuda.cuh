// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything that runs on NVIDIA GPUs, but for cuda/any_weight.cuh. For files that nvcc compiles;
// sparsellm/sparsellm.hpp is the host's side.
#pragma once

#include "sparsellm/cuda/active_set.cuh"
#include "sparsellm/cuda/convert.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/gate.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/cuda/multiply_rows.cuh"
#include "sparsellm/cuda/pack.cuh"
#include "sparsellm/cuda/permute.cuh"
#include "sparsellm/cuda/prune.cuh"
#include "sparsellm/cuda/quantile.cuh"
#include "sparsellm/cuda/semi_structured.cuh"
#include "sparsellm/cuda/sparsify.cuh"
#include "sparsellm/cuda/statistics.cuh"
#include "sparsellm/cuda/top_k.cuh"
#include "sparsellm/cuda/workspace.cuh"
