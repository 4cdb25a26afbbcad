// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The compiler's intrinsics of this architecture: a heavy header, for files that define kernels.
#pragma once

#include "sparsellm/cpu/isa/target.hpp"

#if SPARSELLM_ARCH_X86
#include <immintrin.h>
#elif SPARSELLM_ARCH_ARM64
#include <arm_neon.h>
#endif
