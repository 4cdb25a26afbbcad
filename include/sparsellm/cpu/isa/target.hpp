// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which instruction sets this compiler can be asked for, and how to ask for one in the middle of a
// file. Code between SPARSELLM_TARGET_BEGIN("avx2,fma") and SPARSELLM_TARGET_END is compiled for
// those features whatever -march says. Nothing may be #included in between except .inl files, which
// include no header. A lambda does not inherit the target under clang: it must be inlined into the
// function that has it.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#define SPARSELLM_ARCH_X86 1
#include <cpuid.h>
#else
#define SPARSELLM_ARCH_X86 0
#endif

// Whether a process can ask for the registers of AMX: where it cannot, nothing says that using them
// is safe.
#if SPARSELLM_ARCH_X86 && defined(__linux__)
#define SPARSELLM_HAS_TILE_PERMISSION 1
#else
#define SPARSELLM_HAS_TILE_PERMISSION 0
#endif

#if defined(__aarch64__) || defined(_M_ARM64)
#define SPARSELLM_ARCH_ARM64 1
#else
#define SPARSELLM_ARCH_ARM64 0
#endif

// Whether the system says which instructions an Arm has (arm_features.hpp).
#if SPARSELLM_ARCH_ARM64 && defined(__linux__)
#define SPARSELLM_HAS_HWCAP 1
#else
#define SPARSELLM_HAS_HWCAP 0
#endif

// What SPARSELLM_TARGET_BEGIN takes for an extension of Armv8.2-A. Under g++ "+name" adds to what
// the compiler was told; the assembler takes the instructions from Armv8.2-A on alone, so where the
// compiler was told less, that is asked for too.
#if defined(__clang__)
#define SPARSELLM_ARM_EXTENSION(name) name
#elif defined(__ARM_FEATURE_DOTPROD) || defined(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC)
#define SPARSELLM_ARM_EXTENSION(name) "+" name
#elif defined(__ARM_FEATURE_CRYPTO)
#define SPARSELLM_ARM_EXTENSION(name) "arch=armv8.2-a+crypto+" name
#else
#define SPARSELLM_ARM_EXTENSION(name) "arch=armv8.2-a+" name
#endif

// mingw-w64's runtime rounds std::fma twice, unless it is one instruction.
#if defined(__MINGW32__) && !defined(__FMA__)
#define SPARSELLM_HAS_FUSED_FMA 0
#else
#define SPARSELLM_HAS_FUSED_FMA 1
#endif

#define SPARSELLM_PRAGMA(x) _Pragma(#x)
#if defined(__clang__)
#define SPARSELLM_TARGET_BEGIN(features) \
  SPARSELLM_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define SPARSELLM_TARGET_END SPARSELLM_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
#define SPARSELLM_TARGET_BEGIN(features) \
  SPARSELLM_PRAGMA(GCC push_options) SPARSELLM_PRAGMA(GCC target(features))
#define SPARSELLM_TARGET_END SPARSELLM_PRAGMA(GCC pop_options)
#else  // MSVC takes any intrinsic anywhere
#define SPARSELLM_TARGET_BEGIN(features)
#define SPARSELLM_TARGET_END
#endif
