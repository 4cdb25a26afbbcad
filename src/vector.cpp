// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The kernels of vectors.
#define SPARSELLM_COMPILED_VECTORS
#include "sparsellm/cpu/kernels/vector.hpp"
