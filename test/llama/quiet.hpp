// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Of long work, how far it is goes nowhere.
#pragma once

#include "model/model.hpp"

inline const llama::progress quiet = [](double) {};
