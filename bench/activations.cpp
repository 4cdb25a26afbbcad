// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "activations.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "shapes.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace bench {
namespace {

std::string& folder() {
  static std::string path;
  return path;
}

}  // namespace

std::size_t take_projection(int& argc, char** argv) {
  std::size_t which = 0;
  const std::string option = "--projection=";
  const auto is_it = [&](const char* a) { return std::string(a).rfind(option, 0) == 0; };
  for (int i = 1; i < argc; ++i)
    if (is_it(argv[i]))
      which = static_cast<std::size_t>(std::strtoul(argv[i] + option.size(), nullptr, 10));
  if (which >= projections.size()) {
    std::fprintf(stderr, "--projection: 0 to %zu expected\n", projections.size() - 1);
    std::exit(2);
  }
  argc = static_cast<int>(std::remove_if(argv, argv + argc, is_it) - argv);
  return which;
}

void take_histograms(int& argc, char** argv) {
  const std::string option = "--histograms=";
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]).rfind(option, 0) == 0) folder() = argv[i] + option.size();
  argc = static_cast<int>(
      std::remove_if(argv, argv + argc,
                     [&](const char* a) { return std::string(a).rfind(option, 0) == 0; }) -
      argv);
}

std::string activation_source() {
  return folder().empty() ? "normal" : "Llama-2-7B, layer 15 (TEAL's histograms)";
}

std::vector<float> activations(std::size_t n, const std::string& input, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> x(n);
  if (folder().empty()) {
    std::normal_distribution<float> normal;
    for (float& v : x) v = normal(random);
    return x;
  }
  // Bin centres, then counts.
  const std::string bytes = sparsellm::read_file(folder() + "/layer-15." + input + ".f32");
  const std::size_t bins = bytes.size() / 8;
  sparsellm::require<sparsellm::format_error>(bins != 0 && bytes.size() == bins * 8, "histogram ",
                                              input, ": ", bytes.size(), " bytes");
  std::vector<float> values(2 * bins);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  std::discrete_distribution<std::size_t> draw(values.begin() + static_cast<std::ptrdiff_t>(bins),
                                               values.end());
  // Within a bin anywhere, so that no two are alike.
  const float width = values[bins / 2 + 1] - values[bins / 2];
  std::uniform_real_distribution<float> within(-0.5f, 0.5f);
  for (float& v : x) v = values[draw(random)] + width * within(random);
  return x;
}

float threshold_for(std::vector<float> x, double sparsity) {
  if (sparsity == 0.0) return -1.0f;
  for (float& v : x) v = std::fabs(v);
  const auto at = static_cast<std::ptrdiff_t>(sparsity * static_cast<double>(x.size())) - 1;
  std::nth_element(x.begin(), x.begin() + at, x.end());
  return x[static_cast<std::size_t>(at)];
}

}  // namespace bench
