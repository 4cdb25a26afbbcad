// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The one place that asks which compiler this is and what it was told. Only this file and
// cpu/target.hpp may test compiler or machine macros; test/layering holds that.
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

// Everything else the library defines lives in an inline namespace named after the flags of the
// file it is compiled in. Two files with different flags then hold two sets of functions, and the
// linker cannot hand AVX-512 code to the file that asked for none (docs/decisions/0002). A digit a
// flag: what the compiler defines its macro to be, 0 where it defines none.
#define SPARSELLM_DIGIT_0 , 0
#define SPARSELLM_DIGIT_1 , 1
#define SPARSELLM_SECOND(first, second, ...) second
#define SPARSELLM_SECOND_OR_0(...) SPARSELLM_SECOND(__VA_ARGS__, 0, 0)
#define SPARSELLM_DIGIT(value) SPARSELLM_SECOND_OR_0(SPARSELLM_DIGIT_##value)
#define SPARSELLM_PASTE(a, b, c, d, e) a##b##c##d##e
#define SPARSELLM_JOIN(a, b, c, d, e) SPARSELLM_PASTE(a, b, c, d, e)
#define SPARSELLM_DIGITS(a, b, c, d, e)                                                          \
  SPARSELLM_JOIN(SPARSELLM_DIGIT(a), SPARSELLM_DIGIT(b), SPARSELLM_DIGIT(c), SPARSELLM_DIGIT(d), \
                 SPARSELLM_DIGIT(e))
#define SPARSELLM_BASELINE                                                                      \
  SPARSELLM_JOIN(baseline_, SPARSELLM_DIGITS(__SSE4_2__, __AVX__, __AVX2__, __FMA__, __BMI2__), \
                 SPARSELLM_DIGITS(__F16C__, __AVX512F__, __AVX512VL__, __AVX512BF16__, ),       \
                 SPARSELLM_HAS_EXCEPTIONS, SPARSELLM_FAST_MATH)
