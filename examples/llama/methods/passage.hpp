// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Windows of text on their way through a model: all of them pass one step of a block before any
// passes the next, so that what a step shows is known before the next one runs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "methods/observed_text.hpp"
#include "model/forward.hpp"
#include "model/kv_cache.hpp"
#include "model/model.hpp"
#include "sparsellm/core/buffer.hpp"

namespace llama {

// Positions below dense_rows use every channel.
class passage {
 public:
  passage(sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
          std::size_t dense_rows)
      : model_(m),
        windows_(windows.size()),
        length_(windows.front().size()),
        dense_rows_(dense_rows),
        steps_(exec, m, length_, length_),
        cache_(m.shape(), length_),
        stream_(windows_ * length_ * m.shape().width),
        inside_(windows_ * length_ * std::max(m.shape().hidden, m.shape().query_width())),
        made_(length_ * std::max(m.shape().hidden, m.shape().width)) {
    for (std::size_t w = 0; w < windows_; ++w)
      for (std::size_t t = 0; t < length_; ++t) m.embed(windows[w][t], t, stream(w).row(t));
  }

  [[nodiscard]] std::size_t windows() const noexcept { return windows_; }

  // Before a block: remember() where all windows stand, recall() to run it once more.
  void remember() { before_ = stream_.clone(); }
  void recall() { std::copy(before_.begin(), before_.end(), stream_.begin()); }

  // Takes all windows to an activation of block l, one after the other; leave() to its end.
  void go_to(std::size_t l, activation_site site) {
    const block& b = model_.blocks()[l];
    for (std::size_t w = 0; w < windows_; ++w) {
      if (site == activation_site::attention_output)
        steps_.attend(b, normalised(w, b.attention_norm), 0, dense_rows_, {&cache_, 1},
                      inside(w, site));
      if (site == activation_site::mlp_input)
        steps_.add_product(b.out, inside(w, activation_site::attention_output), dense_rows_,
                           stream(w));
      if (site == activation_site::mlp_hidden)
        steps_.activate(b, normalised(w, b.mlp_norm), dense_rows_, inside(w, site));
    }
  }
  void leave(std::size_t l) {
    for (std::size_t w = 0; w < windows_; ++w)
      steps_.add_product(model_.blocks()[l].down, inside(w, activation_site::mlp_hidden),
                         dense_rows_, stream(w));
  }

  // x [tokens, channels] of window w at the site last gone to; valid until the next call.
  [[nodiscard]] const_rows at(std::size_t l, activation_site site, std::size_t w) {
    const block& b = model_.blocks()[l];
    if (site == activation_site::attention_input) return normalised(w, b.attention_norm);
    if (site == activation_site::mlp_input) return normalised(w, b.mlp_norm);
    return inside(w, site);
  }
  // silu(gate · x) [tokens, hidden] of window w, at mlp_input.
  [[nodiscard]] const_rows gates(std::size_t l, std::size_t w) {
    const block& b = model_.blocks()[l];
    const rows out(inside_.data(), length_, model_.shape().hidden);
    steps_.gates(b, normalised(w, b.mlp_norm), out);
    return out;
  }

 private:
  [[nodiscard]] rows stream(std::size_t w) {
    const std::size_t width = model_.shape().width;
    return {stream_.data() + w * length_ * width, length_, width};
  }
  [[nodiscard]] rows inside(std::size_t w, activation_site site) {
    const std::size_t width = model_.shape().channels_of(site);
    return {inside_.data() + w * length_ * width, length_, width};
  }
  [[nodiscard]] const_rows normalised(std::size_t w, const norm_step& norm) {
    const rows h(made_.data(), length_, model_.shape().width);
    steps_.normalise(stream(w), norm, h);
    return h;
  }

  model& model_;
  std::size_t windows_, length_, dense_rows_;
  forward steps_;
  kv_cache cache_;
  sparsellm::buffer<float> stream_, inside_, made_, before_;
};

}  // namespace llama
