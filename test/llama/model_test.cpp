// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "model.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "calibration.hpp"
#include "catch2_any.hpp"
#include "forward.hpp"
#include "generation.hpp"
#include "llama/gguf_builder.hpp"
#include "perplexity.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsity_meter.hpp"
#include "tokenizer.hpp"

using namespace llama;
using sparsellm::format_error;
using sparsellm::shape_error;
using sparsellm::storage;
using sparsellm::value_error;

namespace {

const progress quiet = [](double) {};

struct tiny {
  explicit tiny(const tiny_options& o = {}, const load_options& load = {storage::f32, 0.0, nullptr})
      : file(tiny_model(o).bytes()), exec(2), m(exec, file.path(), load, quiet) {}
  temporary_file file;
  sparsellm::cpu::executor exec;
  model m;
};

std::vector<std::int32_t> some_tokens(std::size_t n) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>((i * 71 + 13) % 256));
  return ids;
}

// Logits after each of the tokens, given to the model in batches of the given size.
std::vector<float> all_logits(tiny& t, const std::vector<std::int32_t>& ids, std::size_t batch,
                              std::size_t dense_prefix) {
  session s(t.exec, t.m, ids.size(), ids.size());
  std::vector<float> out(ids.size() * 260);
  for (std::size_t at = 0; at < ids.size(); at += batch) {
    const std::size_t n = std::min(batch, ids.size() - at);
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(at);
    const const_rows x = s.advance({first, first + static_cast<std::ptrdiff_t>(n)}, dense_prefix);
    s.steps().logits(x, {out.data() + at * 260, n, 260});
  }
  return out;
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float d = 0;
  for (std::size_t i = 0; i < a.size(); ++i) d = std::max(d, std::fabs(a[i] - b[i]));
  return d;
}

}  // namespace

TEST_CASE("model: token by token, in batches and at once, it is the same model") {
  tiny t;
  const auto ids = some_tokens(100);
  const auto whole = all_logits(t, ids, 100, 100);
  CHECK(largest_difference(whole, all_logits(t, ids, 1, 100)) < 1e-4f);
  CHECK(largest_difference(whole, all_logits(t, ids, 33, 100)) < 1e-4f);
}

TEST_CASE("model: so it is with sparse activations, and the dense prefix ends where it should") {
  tiny t;
  const auto table = calibrate_model(t.exec, t.m, {some_tokens(64)}, {0.5}, false, 0, quiet);
  CHECK(table.sites.size() == 14);
  const auto ids = some_tokens(60);
  const auto sparse = all_logits(t, ids, 60, 20);
  CHECK(largest_difference(sparse, all_logits(t, ids, 1, 20)) < 1e-3f);
  CHECK(largest_difference(sparse, all_logits(t, ids, 7, 20)) < 1e-3f);
  const auto dense = all_logits(t, ids, 60, 60);
  for (std::size_t i = 0; i < 20 * 260; ++i) REQUIRE(sparse[i] == dense[i]);
  CHECK(largest_difference(sparse, dense) > 1e-2f);
}

TEST_CASE("model: skipping channels and zeroing activations are the same thing, in every layout") {
  tiny panels;
  const auto table =
      calibrate_model(panels.exec, panels.m, {some_tokens(64)}, {0.6}, false, 0, quiet);
  tiny channels({}, {storage::f32, 0.9, nullptr});
  REQUIRE(channels.m.blocks()[0].gate_up.where() == sparsellm::layout::channel_major);
  REQUIRE(panels.m.blocks()[0].gate_up.where() == sparsellm::layout::panel);
  channels.m.use(table, channels.m.identity());
  CHECK(all_logits(panels, some_tokens(30), 1, 0) == all_logits(channels, some_tokens(30), 1, 0));
}

TEST_CASE("model: projections that share an input may have thresholds of their own") {
  tiny t({}, {storage::f32, 0.9, nullptr});
  auto table = calibrate_model(t.exec, t.m, {some_tokens(64)}, {0.5}, false, 0, quiet);
  for (auto& s : table.sites)  // k and up dense
    if (s.where.projection == "k" || s.where.projection == "up") s.threshold = 0.0f;
  t.m.use(table, t.m.identity());
  const auto mixed = all_logits(t, some_tokens(30), 1, 0);
  tiny panels;
  panels.m.use(table, panels.m.identity());
  CHECK(mixed == all_logits(panels, some_tokens(30), 1, 0));
  sparsity_meter meter(t.m);
  session s(t.exec, t.m, 30, 30);
  const input_observer count = [&](std::size_t l, input where, const_rows x) {
    meter.count(l, where, x, 0);
  };
  (void)s.advance(some_tokens(30), 0, &count);
  CHECK(meter.projection(1) == 0.0);
  CHECK(meter.projection(0) > 0.3);
}

TEST_CASE("model: linear and Llama 3 rotary scaling both slow the rotation") {
  tiny linear({false, false, true}), divisors({false, true, false}), plain;
  const auto ids = some_tokens(20);
  const auto a = all_logits(linear, ids, 20, 20), b = all_logits(divisors, ids, 20, 20);
  CHECK(largest_difference(a, b) < 1e-5f);  // a divisor of 2 everywhere is a factor of 2
  CHECK(largest_difference(a, all_logits(plain, ids, 20, 20)) > 1e-2f);
}

TEST_CASE("model: a head of its own replaces the tied one") {
  tiny tied, separate({true, false, false});
  const auto ids = some_tokens(5);
  CHECK(largest_difference(all_logits(tied, ids, 5, 5), all_logits(separate, ids, 5, 5)) > 0.1f);
}

TEST_CASE("model: a table for other weights, shapes or names is refused") {
  tiny t, other({true, false, false});
  auto table = calibrate_model(t.exec, t.m, {some_tokens(64)}, {0.5}, false, 0, quiet);
  CHECK_NOTHROW(t.m.use(table, t.m.identity()));
  CHECK_SAYS(other.m.use(table, other.m.identity()), format_error, "hash");
  table.sites[3].shape.inputs = 63;
  CHECK_SAYS(t.m.use(table, t.m.identity()), format_error, "64x63 there and 64x64");
  table.sites.resize(3);
  CHECK_SAYS(t.m.use(table, t.m.identity()), format_error, "no threshold for layer 0 o");
}

TEST_CASE("model: missing tensors, wrong tokens and too long sequences are refused") {
  gguf_builder b = tiny_model();
  std::string bytes = b.bytes();
  bytes.replace(bytes.find("blk.1.ffn_up"), 12, "blk.1.ffn_xx");
  const temporary_file file(bytes);
  sparsellm::cpu::executor exec(1);
  CHECK_SAYS(model(exec, file.path(), {}, quiet), format_error, "'blk.1.ffn_up.weight' is missing");
  tiny t;
  session s(t.exec, t.m, 8, 8);
  CHECK_SAYS(s.advance({260}, 0), value_error, "token 260 is outside the vocabulary of 260");
  CHECK_SAYS(s.advance({-1}, 0), value_error, "token -1");
  CHECK_SAYS(s.advance({}, 0), shape_error, "0 tokens");
  CHECK_SAYS(s.advance(some_tokens(9), 0), shape_error, "9 tokens at position 0");
  CHECK_SAYS(session(t.exec, t.m, 8, 1000), shape_error, "at most 128 positions");
  CHECK_SAYS(cut_windows({1}, 4, 100), value_error, "at least 2 tokens");
  CHECK_SAYS(calibrate_model(t.exec, t.m, {some_tokens(8)}, {1.0}, false, 0, quiet), value_error,
             "must be in [0, 1), got 1");
  CHECK_SAYS(calibrate_model(t.exec, t.m, {some_tokens(8)}, {0.5}, true, 8, quiet), value_error,
             "nothing to observe");
}

TEST_CASE("sampler: greedy at 0, else by seed and proportion") {
  const std::vector<float> logits{0.0f, 2.0f, 1.0f};
  CHECK(sampler(0.0, 1).pick(logits) == 1);
  sampler a(1.0, 5), b(1.0, 5);
  int counts[3] = {};
  for (int i = 0; i < 20000; ++i) {
    const auto id = a.pick(logits);
    REQUIRE(id == b.pick(logits));
    ++counts[id];
  }
  const double sum = 1 + std::exp(1.0) + std::exp(2.0);
  CHECK_THAT(counts[1] / 20000.0, WithinAbs(std::exp(2.0) / sum, 0.015));
  CHECK_THAT(counts[2] / 20000.0, WithinAbs(std::exp(1.0) / sum, 0.015));
  CHECK_SAYS(sampler(-1.0, 1), value_error, "at least 0, got -1");
  CHECK_SAYS(sampler(std::numeric_limits<double>::quiet_NaN(), 1), value_error, "at least 0");
}

TEST_CASE("tokenizer: specials, merges, bytes and nothing at all") {
  const std::string bytes = tiny_model().bytes();
  const gguf file(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  const tokenizer t(file);
  CHECK(t.encode("").empty());
  CHECK(t.encode("the") == std::vector<token_id>{257});
  CHECK(t.encode("th") == std::vector<token_id>{256});
  CHECK(t.encode("<|end|>the<|start|>") == std::vector<token_id>{258, 257, 259});
  CHECK(t.encode("<|end|>", false).size() == 7);
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);  // mostly no UTF-8
  CHECK(t.decode(t.encode(all)) == all);
  CHECK_SAYS(t.decode({400}), format_error, "no token 400");
}
