// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// In front of ggml (LD_PRELOAD): a program of another version of it.
extern "C" __attribute__((visibility("default"))) const char* ggml_version() { return "99.1.2"; }
