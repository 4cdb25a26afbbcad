// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Logits are made for a slice of the rows at a time: all of them would be 100 MB for a window of
// 512 tokens and a vocabulary of 49,152.
#include "methods/perplexity.hpp"

#include <algorithm>
#include <cmath>

namespace llama {

namespace {

constexpr std::size_t slice = 128;

// -log softmax(logits)[target]
double negative_log_likelihood(sparsellm::vector_view<const float> logits, std::int32_t target) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float l : logits) sum += std::exp(l - largest);
  return std::log(sum) + static_cast<double>(largest) -
         static_cast<double>(logits[static_cast<std::size_t>(target)]);
}

}  // namespace

perplexity_result measure_perplexity(sparsellm::cpu::executor& exec, decoder& s,
                                     const std::vector<window>& windows, std::size_t dense_prefix,
                                     const activation_observer* observe, const progress& report) {
  perplexity_result result;
  std::size_t scored_half2 = 0;
  sparsellm::buffer<float> logits;
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const window& ids = windows[w];
    s.rewind();
    s.append(ids, dense_prefix, observe);
    const std::size_t vocabulary = s.vocabulary();
    if (logits.size() == 0) logits = sparsellm::buffer<float>(slice * vocabulary);
    std::vector<double> nll(ids.size() - 1);
    for (std::size_t first = 0; first < nll.size(); first += slice) {
      const std::size_t n = std::min(slice, nll.size() - first);
      const rows out(logits.data(), n, vocabulary);
      s.logits(first, out);
      exec.parallel_for(n, [&](std::size_t r) {
        nll[first + r] = negative_log_likelihood(out.row(r), ids[first + r + 1]);
      });
    }
    for (std::size_t i = 0; i < nll.size(); ++i) {
      result.nll += nll[i];
      if (i + 1 > ids.size() / 2) {
        result.nll_half2 += nll[i];
        ++scored_half2;
      }
    }
    result.tokens_scored += nll.size();
    report(static_cast<double>(w + 1) / static_cast<double>(windows.size()));
  }
  result.nll /= static_cast<double>(result.tokens_scored);
  result.nll_half2 /= static_cast<double>(scored_half2);
  return result;
}

}  // namespace llama
