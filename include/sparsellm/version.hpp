// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The version, once: CMake, pkg-config and the packages read the three numbers from here. What a
// change of each promises is in docs/versioning.md.
#pragma once

#define SPARSELLM_VERSION_MAJOR 0
#define SPARSELLM_VERSION_MINOR 1
#define SPARSELLM_VERSION_PATCH 0

// One number for the preprocessor, 100 for 0.1.0: `#if SPARSELLM_VERSION >= 200` asks for 0.2.0 or
// later. Each part stays below 100.
#define SPARSELLM_VERSION \
  (SPARSELLM_VERSION_MAJOR * 10000 + SPARSELLM_VERSION_MINOR * 100 + SPARSELLM_VERSION_PATCH)

// The same as text, "0.1.0". Two steps, so that the numbers are put in before they become text.
#define SPARSELLM_VERSION_TEXT(major, minor, patch) #major "." #minor "." #patch
#define SPARSELLM_VERSION_TEXT_OF(major, minor, patch) SPARSELLM_VERSION_TEXT(major, minor, patch)
#define SPARSELLM_VERSION_STRING                                              \
  SPARSELLM_VERSION_TEXT_OF(SPARSELLM_VERSION_MAJOR, SPARSELLM_VERSION_MINOR, \
                            SPARSELLM_VERSION_PATCH)
