// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/squared_gradients.hpp"

#include <algorithm>
#include <cmath>

#include "methods/log_softmax.hpp"
#include "methods/recorded_pass.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

namespace {

double sum_of_squares(sparsellm::cpu::executor& exec, const_rows x) {
  std::vector<double> of_row(x.rows(), 0.0);
  exec.parallel_for(x.rows(), [&](std::size_t t) {
    for (const float g : x.row(t)) of_row[t] += static_cast<double>(g) * static_cast<double>(g);
  });
  double sum = 0;
  for (const double s : of_row) sum += s;
  return sum;
}

}  // namespace

squared_gradients sum_squared_gradients(sparsellm::cpu::executor& exec, const model& m,
                                        const std::vector<window>& windows, std::size_t count,
                                        const progress& report) {
  count = std::min(count, windows.size());
  sparsellm::require<sparsellm::value_error>(count != 0, "fisher: at least 1 window expected");
  const std::size_t length = windows.front().size();
  recorded_pass pass(exec, m, length, length);
  std::vector<kv_cache> caches = make_caches(m.shape(), length);
  squared_gradients sums;
  sums.layers.resize(m.shape().layers);
  sums.tokens = static_cast<double>(count * length);
  for (std::size_t w = 0; w < count; ++w) {
    const window& ids = windows[w];
    (void)pass.run(ids, 0, true, caches);
    pass.reverse(
        [&](std::size_t first, rows logits) {
          // The likelihood's gradient; the last row has no next token.
          exec.parallel_for(logits.rows(), [&](std::size_t r) {
            if (first + r + 1 == ids.size()) {
              std::fill(logits.row(r).begin(), logits.row(r).end(), 0.0f);
              return;
            }
            log_softmax(logits.row(r));
            for (float& l : logits.row(r)) l = -std::exp(l);
            logits(r, static_cast<std::size_t>(ids[first + r + 1])) += 1.0f;
          });
        },
        [&](std::size_t l, projection p, const_rows of_output, const_rows of_input, const_rows) {
          sums.layers[l][p].of_output += sum_of_squares(exec, of_output);
          sums.layers[l][p].of_input += sum_of_squares(exec, of_input);
        });
    report(static_cast<double>(w + 1) / static_cast<double>(count));
  }
  return sums;
}

}  // namespace llama
