// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The one place that asks which compiler this is and what it was told. Only this file and
// cpu/isa/target.hpp may test compiler or machine macros; test/layering holds that.
#pragma once

#if __cplusplus < 202002L
#error "sparsellm: C++20 is needed, compile with -std=c++20 or later"
#include <sparsellm needs C++20>  // is not there: compilation ends before errors that say no more
#endif

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

// Whether files are opened, locked and renamed as POSIX has it.
#if defined(__unix__) || defined(__APPLE__)
#define SPARSELLM_HAS_POSIX_FILES 1
#else
#define SPARSELLM_HAS_POSIX_FILES 0
#endif

// Whether a thread can ask the kernel to sleep on a number (32-bit RISC-V names the call
// otherwise); SPARSELLM_WITHOUT_FUTEX does without.
#if defined(__linux__) && !(defined(__riscv) && __riscv_xlen == 32) && \
    !defined(SPARSELLM_WITHOUT_FUTEX)
#define SPARSELLM_HAS_FUTEX 1
#else
#define SPARSELLM_HAS_FUTEX 0
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

// Under -ffast-math a NaN passes for a number and sums are added in another order: scores of NaN
// are dropped, infinite weights are packed, results differ from machine to machine. Who needs none
// of these may say so.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__)
#define SPARSELLM_FAST_MATH 1
#elif defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#define SPARSELLM_FAST_MATH 1
#else
#define SPARSELLM_FAST_MATH 0
#endif
#if SPARSELLM_FAST_MATH && !defined(SPARSELLM_ALLOW_FAST_MATH)
#error "sparsellm: compile without -ffast-math, or define SPARSELLM_ALLOW_FAST_MATH"
#endif

// x87 keeps more than a float or double holds, and rounds when it happens to store.
#if defined(__i386__) && !defined(__SSE2_MATH__)
#error "sparsellm: on 32-bit x86 compile with -msse2 -mfpmath=sse"
#endif

// Everything else the library defines lives in an inline namespace named after the flags of the
// file it is compiled in. Two files with different flags then hold two sets of functions, and the
// linker cannot hand AVX-512 code to the file that asked for none (docs/decisions/0002). A digit a
// flag: what the compiler defines its macro to be, 0 where it defines none.
//
// A macro that is not defined is its own name here, which follows no SPARSELLM_DIGIT_; one that is
// makes a comma, and with it a digit in second place.
#define SPARSELLM_DIGIT_0 , 0
#define SPARSELLM_DIGIT_1 , 1
#define SPARSELLM_DIGIT_2 , 2
#define SPARSELLM_DIGIT_3 , 3
#define SPARSELLM_SECOND(first, second, ...) second
#define SPARSELLM_SECOND_OR_0(...) SPARSELLM_SECOND(__VA_ARGS__, 0, 0)
#define SPARSELLM_DIGIT(value) SPARSELLM_SECOND_OR_0(SPARSELLM_DIGIT_##value)
#define SPARSELLM_PASTE(a, b, c, d, e, f) a##b##c##d##e##f
#define SPARSELLM_JOIN(a, b, c, d, e, f) SPARSELLM_PASTE(a, b, c, d, e, f)
#define SPARSELLM_DIGITS(a, b, c, d, e, f)                                                       \
  SPARSELLM_JOIN(SPARSELLM_DIGIT(a), SPARSELLM_DIGIT(b), SPARSELLM_DIGIT(c), SPARSELLM_DIGIT(d), \
                 SPARSELLM_DIGIT(e), SPARSELLM_DIGIT(f))
#if defined(__aarch64__) || defined(__arm__)
#define SPARSELLM_MACHINE_1                                                                 \
  SPARSELLM_DIGITS(__ARM_ARCH_ISA_THUMB, __ARM_NEON, __ARM_FEATURE_FMA, __ARM_FEATURE_IDIV, \
                   __ARM_FEATURE_NUMERIC_MAXMIN, __ARM_FEATURE_CRC32)
#define SPARSELLM_MACHINE_2                                                        \
  SPARSELLM_DIGITS(__ARM_FEATURE_ATOMICS, __ARM_FEATURE_QRDMX, __ARM_FEATURE_RCPC, \
                   __ARM_FEATURE_DOTPROD, __ARM_FEATURE_FP16_VECTOR_ARITHMETIC,    \
                   __ARM_FEATURE_COMPLEX)
#define SPARSELLM_MACHINE_3                                                          \
  SPARSELLM_DIGITS(__ARM_FEATURE_FRINT, __ARM_FEATURE_BF16_VECTOR_ARITHMETIC,        \
                   __ARM_FEATURE_MATMUL_INT8, __ARM_FEATURE_MOPS, __ARM_FEATURE_SVE, \
                   __ARM_FEATURE_SVE2)
#define SPARSELLM_MACHINE_4
#else
#define SPARSELLM_MACHINE_1 \
  SPARSELLM_DIGITS(__SSE2__, __SSE3__, __SSSE3__, __SSE4_1__, __SSE4_2__, __POPCNT__)
#define SPARSELLM_MACHINE_2 \
  SPARSELLM_DIGITS(__MOVBE__, __LZCNT__, __BMI__, __BMI2__, __AVX__, __F16C__)
#define SPARSELLM_MACHINE_3 \
  SPARSELLM_DIGITS(__FMA__, __AVX2__, __AVXVNNI__, __AVX512F__, __AVX512VL__, __AVX512BW__)
#define SPARSELLM_MACHINE_4                                                           \
  SPARSELLM_DIGITS(__AVX512DQ__, __AVX512VNNI__, __AVX512VBMI__, __AVX512VPOPCNTDQ__, \
                   __AVX512BF16__, __AVX512FP16__)
#endif
#define SPARSELLM_BASELINE                                                                \
  SPARSELLM_JOIN(SPARSELLM_JOIN(baseline_, SPARSELLM_HAS_EXCEPTIONS, SPARSELLM_FAST_MATH, \
                                SPARSELLM_HAS_FUTEX, , ),                                 \
                 SPARSELLM_MACHINE_1, SPARSELLM_MACHINE_2, SPARSELLM_MACHINE_3,           \
                 SPARSELLM_MACHINE_4, )
