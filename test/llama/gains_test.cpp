// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "methods/fit_gains.hpp"

#include <cmath>
#include <vector>

#include "catch2_any.hpp"
#include "files/gguf_metadata.hpp"
#include "files/gguf_writer.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/pruned.hpp"
#include "methods/recorded_pass.hpp"
#include "sparsellm/core/error.hpp"

using namespace llama;
using sparsellm::element_kind;
using sparsellm::value_error;

namespace {

std::vector<window> two_windows() {
  const std::vector<std::int32_t> ids = some_tokens(80);
  return {{ids.begin(), ids.begin() + 40}, {ids.begin() + 40, ids.end()}};
}
const std::vector<window> text = two_windows();

// Pruned to 2:4 in shuffled orders, and fitted.
struct fitted {
  explicit fitted(std::size_t threads, std::size_t steps = 16)
      : t({}, {element_kind::f32}, threads), wanted(predictions_of(t.exec, t.m, text, quiet)) {
    pruning how;
    how.global_shuffle = how.local_shuffle = true;
    blocks = prune(t.exec, t.m, text, how);
    put_pruned(t.exec, t.m, blocks);
    divergences = fit_gains(t.exec, t.m, text, {steps, 2, 0.02}, wanted, blocks, quiet);
  }
  loaded_tiny t;
  wanted_predictions wanted;
  std::vector<pruned_block> blocks;
  std::vector<double> divergences;
};

}  // namespace

TEST_CASE(
    "fit_gains: what a product reads times its gradient is the slope along the norm's gains") {
  loaded_tiny t;
  const window ids = some_tokens(20);
  recorded_pass pass(t.exec, t.m, ids.size(), ids.size());
  std::vector<kv_cache> caches;
  for (std::size_t l = 0; l < t.m.shape().layers; ++l) caches.emplace_back(t.m.shape(), ids.size());
  // A loss that is linear in the logits.
  const auto weight_of = [](std::size_t row, std::size_t token) {
    return static_cast<float>((row * 37 + token * 101) % 199) / 100.0f - 1.0f;
  };
  const auto loss_now = [&] {
    const const_rows x = pass.run(ids, 0, true, caches);
    std::vector<float> logits(ids.size() * t.m.shape().vocabulary);
    const rows out(logits.data(), ids.size(), t.m.shape().vocabulary);
    pass.steps().logits(x, out);
    double loss = 0;
    for (std::size_t r = 0; r < out.rows(); ++r)
      for (std::size_t i = 0; i < out.cols(); ++i)
        loss += static_cast<double>(weight_of(r, i)) * static_cast<double>(out(r, i));
    return loss;
  };
  (void)loss_now();
  std::vector<per_site<double>> slopes(t.m.shape().layers);
  pass.reverse(
      [&](std::size_t first, rows logits) {
        for (std::size_t r = 0; r < logits.rows(); ++r)
          for (std::size_t i = 0; i < logits.cols(); ++i) logits(r, i) = weight_of(first + r, i);
      },
      [&](std::size_t l, projection p, const_rows, const_rows of_input, const_rows input) {
        for (std::size_t r = 0; r < input.rows(); ++r)
          for (std::size_t i = 0; i < input.cols(); ++i)
            slopes[l][site_of(p)] +=
                static_cast<double>(of_input(r, i)) * static_cast<double>(input(r, i));
      });
  for (std::size_t l = 0; l < t.m.shape().layers; ++l)
    for (const activation_site site :
         {activation_site::attention_input, activation_site::mlp_input}) {
      block& b = t.m.blocks()[l];
      std::vector<float>& gain =
          site == activation_site::attention_input ? b.attention_norm.gain : b.mlp_norm.gain;
      const std::vector<float> before = gain;
      const auto loss_at = [&](float change) {
        for (std::size_t i = 0; i < gain.size(); ++i) gain[i] = before[i] * (1 + change);
        return loss_now();
      };
      const double slope = (loss_at(1e-3f) - loss_at(-1e-3f)) / 2e-3;
      gain = before;
      INFO("layer " << l << " " << name(site) << ": " << slope << " against " << slopes[l][site]);
      CHECK(std::fabs(slope / slopes[l][site] - 1) < 0.02);
    }
}

TEST_CASE("fit_gains: lowers the divergence, with the same bits for every number of threads") {
  const fitted one(1), two(2);
  REQUIRE(one.divergences.size() == 16);
  CHECK(one.divergences.back() < 0.95 * one.divergences.front());
  CHECK(one.divergences == two.divergences);
  for (std::size_t l = 0; l < 2; ++l) {
    const pruned_block &a = one.blocks[l], &b = two.blocks[l];
    CHECK(a.attention_gain == b.attention_gain);
    CHECK(a.mlp_gain == b.mlp_gain);
    CHECK(a.mlp_gain == one.t.m.blocks()[l].mlp_norm.gain);
  }
}

TEST_CASE("fit_gains: files hold the gains") {
  fitted f(2);
  const window ids = some_tokens(30);
  const std::vector<float> expected = last_logits(f.t.exec, f.t.m, ids);
  loaded_tiny dense;
  CHECK(difference(expected, last_logits(dense.exec, dense.m, ids)) > 1e-3);
  const temporary_folder folder;
  const std::string directory = folder.path() + "/pruned", file = folder.path() + "/pruned.gguf";
  const checkpoint_source from{f.t.m.file(), f.t.m.shape()};
  write_checkpoint(output_directory(directory, "", false), from, f.blocks, {2, 4},
                   element_kind::f32, "{}", quiet);
  sparsellm::output_file to(file);
  (void)write_gguf(to, from, f.blocks, element_kind::f32, {pruning_key, "{}"}, quiet);
  for (const std::string& path : {directory, file}) {
    const model m(f.t.exec, path, {element_kind::f32}, quiet);
    CHECK(difference(expected, last_logits(f.t.exec, m, ids)) < 2e-5);
  }
}

TEST_CASE("fit_gains: wrong options are refused") {
  loaded_tiny t;
  wanted_predictions wanted = predictions_of(t.exec, t.m, text, quiet);
  std::vector<pruned_block> blocks(2);
  const auto fit = [&](const descent& how) {
    return fit_gains(t.exec, t.m, text, how, wanted, blocks, quiet);
  };
  CHECK_SAYS(fit({2, 4, 0.0}), value_error, "a rate above 0 and below 1 expected, got 0");
  CHECK_SAYS(fit({2, 4, 1.0}), value_error, "got 1");
  CHECK_SAYS(fit({2, 0, 0.1}), value_error, "at least 1 window a step expected");
  // Nothing is lost, so nothing is made up for.
  CHECK(fit({3, 2, 0.02}).front() < 1e-9);
}
