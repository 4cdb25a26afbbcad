// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Header-only or compiled. With SPARSELLM_COMPILED (the CMake target sparsellm::compiled defines
// it) the headers declare the products of the shipped formats and the library sparsellm_compiled
// defines them. What crosses between a user's file and the library stands in the version's
// namespace, not in that of a baseline: files of any -march link to the same library.
#pragma once

#include "sparsellm/core/config.hpp"

// The library's own sources define SPARSELLM_COMPILED_SOURCE, and one of them
// SPARSELLM_COMPILED_VECTORS too.
#if defined(SPARSELLM_COMPILED_SOURCE)
#define SPARSELLM_DEFINES_PRODUCTS 1
#if defined(SPARSELLM_COMPILED_VECTORS)
#define SPARSELLM_DEFINES_VECTORS 1
#else
#define SPARSELLM_DEFINES_VECTORS 0
#endif
#elif defined(SPARSELLM_COMPILED)
#define SPARSELLM_DEFINES_PRODUCTS 0
#define SPARSELLM_DEFINES_VECTORS 0
#else
#define SPARSELLM_DEFINES_PRODUCTS 1
#define SPARSELLM_DEFINES_VECTORS 1
#endif

// Where the products stand: apart for every baseline, or once for all of them.
#if defined(SPARSELLM_COMPILED) || defined(SPARSELLM_COMPILED_SOURCE)
#define SPARSELLM_PRODUCTS sparsellm::inline v0::detail
#define SPARSELLM_PRODUCTS_INLINE
#else
#define SPARSELLM_PRODUCTS sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
#define SPARSELLM_PRODUCTS_INLINE inline
#endif

// Files of both ways in one program would hold two sets of products: the linker refuses them, and
// the symbol that it names says why. An absolute symbol may be defined any number of times with one
// value, and not with two.
#if SPARSELLM_HAS_ELF
#if defined(SPARSELLM_COMPILED) || defined(SPARSELLM_COMPILED_SOURCE)
__asm__(
    ".globl sparsellm_v0_files_with_and_without_SPARSELLM_COMPILED_do_not_mix\n"
    ".hidden sparsellm_v0_files_with_and_without_SPARSELLM_COMPILED_do_not_mix\n"
    ".set sparsellm_v0_files_with_and_without_SPARSELLM_COMPILED_do_not_mix, 2\n");
#else
__asm__(
    ".globl sparsellm_v0_files_with_and_without_SPARSELLM_COMPILED_do_not_mix\n"
    ".hidden sparsellm_v0_files_with_and_without_SPARSELLM_COMPILED_do_not_mix\n"
    ".set sparsellm_v0_files_with_and_without_SPARSELLM_COMPILED_do_not_mix, 1\n");
#endif
#endif
