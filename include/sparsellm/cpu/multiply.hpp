// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// multiply() on the CPU for every format.
#pragma once

#include "sparsellm/cpu/multiply_bitmap.hpp"
#include "sparsellm/cpu/multiply_brick.hpp"
#include "sparsellm/cpu/multiply_nm.hpp"
#include "sparsellm/cpu/multiply_quantized.hpp"
#include "sparsellm/cpu/multiply_row.hpp"
