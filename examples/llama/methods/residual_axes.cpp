// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/residual_axes.hpp"

#include <memory>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/reconstruct/gram.hpp"
#include "sparsellm/rotate/principal_axes.hpp"

namespace llama {

using sparsellm::gram;

namespace {

// x [tokens, channels] without the gains. What a gain of 0 hides is read by nothing there, and
// counts as 0.
sparsellm::buffer<float> without(sparsellm::cpu::executor& exec, const std::vector<float>& gains,
                                 const_rows x) {
  sparsellm::buffer<float> plain(x.rows() * x.cols());
  exec.parallel_for(x.rows(), [&](std::size_t r) {
    for (std::size_t c = 0; c < x.cols(); ++c)
      plain[r * x.cols() + c] = gains[c] == 0.0f ? 0.0f : x(r, c) / gains[c];
  });
  return plain;
}

}  // namespace

sparsellm::axes_of_gram residual_axes(sparsellm::cpu::executor& exec, model& m,
                                      const std::vector<window>& windows, const progress& report,
                                      const text_maker& make_text) {
  sparsellm::require<sparsellm::value_error>(!windows.empty(),
                                             "rotate: at least 1 window expected, got 0");
  const std::unique_ptr<observed_text> text = make_text(exec, m, windows, windows.front().size());
  gram seen(m.shape().width);
  const std::size_t layers = m.shape().layers;
  for (std::size_t l = 0; l < layers; ++l) {
    for (const activation_site site : activation_sites) {
      text->go_to(l, site);
      const block& b = m.blocks()[l];
      const std::vector<float>* gains = nullptr;
      if (site == activation_site::attention_input) gains = &b.attention_norm.gain;
      if (site == activation_site::mlp_input) gains = &b.mlp_norm.gain;
      if (gains == nullptr) continue;
      for (std::size_t w = 0; w < text->windows(); ++w) {
        const const_rows x = text->rows_of(l, site, w);
        const sparsellm::buffer<float> plain = without(exec, *gains, x);
        seen.observe(exec, const_rows(plain.data(), x.rows(), x.cols()));
      }
    }
    text->leave(l);
    report(static_cast<double>(l + 1) / static_cast<double>(layers));
  }
  return sparsellm::principal_axes(seen);
}

}  // namespace llama
