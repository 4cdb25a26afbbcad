// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Inputs to multiply with, drawn from what a real model shows.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

// n activations drawn from TEAL's histogram of Llama-2-7B, layer 15, input `input` ("attn-h1", …)
// in the folder given by --histograms; normal ones without. Throws sparsellm::file_error and
// format_error.
[[nodiscard]] std::vector<float> activations(std::size_t n, const std::string& input,
                                             unsigned seed);

// Takes --projection=N out of the arguments and returns it: which of bench::projections; one per
// process, so that all its weights fit memory. Ends the program for a number that is none.
[[nodiscard]] std::size_t take_projection(int& argc, char** argv);

// Takes --histograms=FOLDER out of the arguments.
void take_histograms(int& argc, char** argv);
// What activations() draws from, for the results.
[[nodiscard]] std::string activation_source();

// The threshold that skips a share of x, exactly; below 0 for none.
[[nodiscard]] float threshold_for(std::vector<float> x, double sparsity);

}  // namespace bench
