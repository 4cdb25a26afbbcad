// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a search for an allocation has found so far, and the file that keeps it, so that a search
// goes on where it was interrupted.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sparsellm/calibrate/greedy.hpp"

namespace llama {

struct block_found {
  sparsellm::greedy_search greedy;
  double uniform_error = 0;  // with the same sparsity for all projections
};

// How a sparsity is divided: the sparsities of `division_groups` groups of neighbouring blocks,
// then what is added to each of the projections.
using division_parameters = std::vector<double>;
inline constexpr std::size_t division_groups = 6;

// The best of the rounds so far, and how far from dense the model's predictions are with it.
struct division {
  double target = 0;
  std::size_t rounds = 0;
  division_parameters now, best;
  double divergence = -1;
};

struct search_state {
  std::string identity;  // what it was made from
  std::vector<block_found> blocks;
  std::vector<division> divisions;
};

// Does nothing without a path. Throws file_error.
void save(const search_state& state, const std::string& path);

// A state from its file's text. weights: the sizes of the projections. Throws format_error for a
// state of another identity, and for what is none.
[[nodiscard]] search_state parse_search(const std::string& text, const std::string& identity,
                                        const std::vector<double>& weights);

// The same from a file; a fresh state when there is none. Throws file_error too.
[[nodiscard]] search_state load_search(const std::string& path, const std::string& identity,
                                       const std::vector<double>& weights);

}  // namespace llama
