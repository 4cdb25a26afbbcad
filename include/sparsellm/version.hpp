// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The version, once: CMake, pkg-config and the tests read these three lines.
#pragma once

#define SPARSELLM_VERSION_MAJOR 0
#define SPARSELLM_VERSION_MINOR 1
#define SPARSELLM_VERSION_PATCH 0
