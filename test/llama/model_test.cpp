// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "model/model.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "files/dequantize.hpp"
#include "files/gguf.hpp"
#include "files/levels.hpp"
#include "files/tokenizer.hpp"
#include "llama/loaded_tiny.hpp"
#include "methods/block_trial.hpp"
#include "methods/calibration.hpp"
#include "methods/divergence.hpp"
#include "methods/perplexity.hpp"
#include "model/forward.hpp"
#include "model/generation.hpp"
#include "model/session.hpp"
#include "model/sparsity_meter.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/error.hpp"

using namespace llama;
using sparsellm::element_kind;
using sparsellm::format_error;
using sparsellm::shape_error;
using sparsellm::value_error;

namespace {

// Uniform thresholds on magnitudes, for all but what is named.
calibration uniformly(loaded_tiny& t, double sparsity, calibration how = {}) {
  how.shares = allocate(sparsellm::uniform{sparsity}, t.m, how.score);
  return how;
}

std::vector<std::int32_t> some_tokens(std::size_t n) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>((i * 71 + 13) % 256));
  return ids;
}

// Logits after each of the tokens, given to the model in batches of the given size.
std::vector<float> all_logits(loaded_tiny& t, const std::vector<std::int32_t>& ids,
                              std::size_t batch, std::size_t dense_prefix) {
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

std::vector<std::int32_t> greedy_text(loaded_tiny& t, const std::vector<std::int32_t>& prompt) {
  session s(t.exec, t.m, prompt.size(), prompt.size() + 20);
  sampler greedy(0.0, 0);
  return generate(s, prompt, 20, prompt.size(), {}, greedy, nullptr, quiet, [](std::int32_t) {})
      .ids;
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float d = 0;
  for (std::size_t i = 0; i < a.size(); ++i) d = std::max(d, std::fabs(a[i] - b[i]));
  return d;
}

}  // namespace

TEST_CASE("model: token by token, in batches and at once, it is the same model") {
  loaded_tiny t;
  const auto ids = some_tokens(100);
  const auto whole = all_logits(t, ids, 100, 100);
  CHECK(largest_difference(whole, all_logits(t, ids, 1, 100)) < 1e-4f);
  CHECK(largest_difference(whole, all_logits(t, ids, 33, 100)) < 1e-4f);
}

TEST_CASE("model: so it is with sparse activations, and the dense prefix ends where it should") {
  loaded_tiny t;
  const auto table = calibrate_model(t.exec, t.m, {some_tokens(64)}, uniformly(t, 0.5), quiet);
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
  loaded_tiny panels;
  const auto table =
      calibrate_model(panels.exec, panels.m, {some_tokens(64)}, uniformly(panels, 0.6), quiet);
  loaded_tiny channels({}, {element_kind::f32, 0.9, nullptr});
  REQUIRE(channels.m.blocks()[0].gate_up.linears()[0].layout() ==
          sparsellm::layout_kind::channel_major);
  REQUIRE(panels.m.blocks()[0].gate_up.linears()[0].layout() == sparsellm::layout_kind::panel);
  channels.m.use(channels.exec, table, channels.m.identity());
  CHECK(all_logits(panels, some_tokens(30), 1, 0) == all_logits(channels, some_tokens(30), 1, 0));
}

TEST_CASE("model: projections that share an input may have thresholds of their own") {
  loaded_tiny t({}, {element_kind::f32, 0.9, nullptr});
  auto table = calibrate_model(t.exec, t.m, {some_tokens(64)}, uniformly(t, 0.5), quiet);
  for (auto& s : table.sites)  // k and up dense
    if (s.where.projection == "k" || s.where.projection == "up") s.threshold = 0.0f;
  t.m.use(t.exec, table, t.m.identity());
  const auto mixed = all_logits(t, some_tokens(30), 1, 0);
  loaded_tiny panels;
  panels.m.use(panels.exec, table, panels.m.identity());
  CHECK(mixed == all_logits(panels, some_tokens(30), 1, 0));
  sparsity_meter meter(t.m);
  session s(t.exec, t.m, 30, 30);
  const activation_observer count = [&](std::size_t l, activation_site site, const_rows x) {
    meter.count(l, site, x, 0);
  };
  (void)s.advance(some_tokens(30), 0, &count);
  CHECK(meter.sparsity(projection::k) == 0.0);
  CHECK(meter.sparsity(projection::q) > 0.3);
}

TEST_CASE("model: every score and way to select, token by token and at once") {
  const auto ids = some_tokens(40);
  for (const auto score : {sparsellm::table_score::magnitude, sparsellm::table_score::column_scaled,
                           sparsellm::table_score::gate})
    for (const auto selection :
         {sparsellm::table_selection::above, sparsellm::table_selection::top_k}) {
      const bool gated = score == sparsellm::table_score::gate;
      calibration how;
      how.score = score;
      how.selection = selection;
      loaded_tiny packed({}, {element_kind::f32, 0.9, nullptr, score}), panels;
      if (gated && selection == sparsellm::table_selection::top_k) {
        CHECK_SAYS(calibrate_model(packed.exec, packed.m, {some_tokens(64)},
                                   uniformly(packed, 0.5, how), quiet),
                   value_error, "takes thresholds alone");
        continue;
      }
      const auto table = calibrate_model(packed.exec, packed.m, {some_tokens(64)},
                                         uniformly(packed, 0.5, how), quiet);
      INFO(static_cast<int>(score) << " " << static_cast<int>(selection));
      panels.m.use(panels.exec, table, panels.m.identity());
      const auto one_by_one = all_logits(packed, ids, 1, 0);
      CHECK(largest_difference(one_by_one, all_logits(packed, ids, 40, 0)) < 1e-3f);
      CHECK(largest_difference(one_by_one, all_logits(panels, ids, 1, 0)) < 1e-3f);
      CHECK(largest_difference(one_by_one, all_logits(packed, ids, 40, 40)) > 1e-2f);
      sparsity_meter meter(packed.m);
      session s(packed.exec, packed.m, 40, 40);
      const activation_observer count = [&](std::size_t l, activation_site site, const_rows x) {
        meter.count(l, site, x, 0);
      };
      (void)s.advance(ids, 0, &count);
      CHECK(std::fabs(meter.sparsity(projection::down) - 0.5) < 0.1);
      CHECK(meter.sparsity(projection::up) ==
            (gated ? meter.sparsity(projection::down) : meter.sparsity(projection::gate)));
      CHECK((meter.sparsity(projection::q) > 0.3) != gated);
    }
}

TEST_CASE("model: a step that is observed and one that is not give the same bits") {
  for (const element_kind type : {element_kind::bf16, element_kind::q4_1}) {
    loaded_tiny t({}, {type, 0.9, nullptr});
    (void)calibrate_model(t.exec, t.m, {some_tokens(64)}, uniformly(t, 0.5), quiet);
    const activation_observer ignore = [](std::size_t, activation_site, const_rows) {};
    session fused(t.exec, t.m, 1, 20), plain(t.exec, t.m, 1, 20);
    for (const std::int32_t id : some_tokens(20)) {
      const const_rows a = fused.advance({id}, 0), b = plain.advance({id}, 0, &ignore);
      for (std::size_t i = 0; i < a.cols(); ++i) REQUIRE(a(0, i) == b(0, i));
    }
  }
}

TEST_CASE("model: quantised tensors are kept as the file has them") {
  // Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, Q4_K …
  for (const std::uint32_t type : {2u, 3u, 6u, 7u, 8u, 20u, 12u, 13u, 14u}) {
    tiny_options o;
    o.type = type;
    loaded_tiny kept(o, {std::nullopt, 0.0, nullptr}), skipping(o, {std::nullopt, 0.9, nullptr});
    loaded_tiny exact(o, {element_kind::f32, 0.0, nullptr});
    CHECK(kept.m.blocks()[0].qkv.linears()[0].element() ==
          storage_of(static_cast<tensor_type>(type)));
    const auto ids = some_tokens(30);
    const auto expected = all_logits(exact, ids, 30, 30);
    CHECK(largest_difference(expected, all_logits(kept, ids, 30, 30)) < 1e-2f);
    CHECK(largest_difference(expected, all_logits(skipping, ids, 1, 30)) < 1e-2f);
    CHECK(greedy_text(kept, ids) == greedy_text(exact, ids));
  }
}

TEST_CASE("block_trial: what is kept from the trial before changes no error") {
  loaded_tiny t;
  constexpr std::size_t length = 64, windows = 2;
  const auto ids = some_tokens(length * windows);
  for (const error_norm norm : {error_norm::token, error_norm::channel}) {
    forward steps(t.exec, t.m, length, length);
    sparsellm::buffer<float> stream(ids.size() * 64);
    const rows x(stream.data(), ids.size(), 64);
    for (std::size_t i = 0; i < ids.size(); ++i) t.m.embed(ids[i], i % length, x.row(i));
    block_trial trial(t.exec, t.m, steps, 1, length, x, norm);
    std::vector<double> sparsity(7, 0.0);
    CHECK(trial.error(sparsity, projection::q) == 0.0);
    const double uniform = trial.uniform_error(0.5);
    CHECK(uniform > 0.0);
    double last = 0.0;
    for (const projection p : {projection::o, projection::down, projection::q, projection::up,
                               projection::k, projection::gate, projection::v}) {
      sparsity[index_of(p)] = 0.5;
      last = trial.error(sparsity, p);
      CHECK(last > 0.0);
      trial.keep(sparsity, p);
    }
    CHECK(last == uniform);
    CHECK(trial.uniform_error(0.5) == uniform);
  }
}

TEST_CASE("divergence_meter: nothing when dense, more the more is skipped") {
  loaded_tiny t;
  const std::vector<window> windows{some_tokens(64), some_tokens(64)};
  divergence_meter meter(t.exec, t.m, windows);
  const auto all = [](double s) {
    return std::vector<std::vector<double>>(2, std::vector<double>(7, s));
  };
  CHECK(std::fabs(meter.measure(all(0.0))) < 1e-6);
  const double some = meter.measure(all(0.4)), most = meter.measure(all(0.8));
  CHECK(some > 1e-4);
  CHECK(most > some);
  CHECK(meter.measure(all(0.4)) == some);
}

TEST_CASE("sequences: what a batch of sequences gives is what each gives alone") {
  for (const bool dense : {true, false}) {
    loaded_tiny t({}, {element_kind::bf16, 0.9, nullptr});
    (void)calibrate_model(t.exec, t.m, {some_tokens(64)}, uniformly(t, 0.5), quiet);
    sequences together(t.exec, t.m, 3, 10);
    std::vector<std::unique_ptr<session>> alone;
    for (int i = 0; i < 3; ++i) alone.push_back(std::make_unique<session>(t.exec, t.m, 1, 10));
    for (std::int32_t step = 0; step < 10; ++step) {
      const std::vector<std::int32_t> ids{step, 50 + step, 200 - step};
      const const_rows x = together.advance(ids, dense);
      for (std::size_t i = 0; i < 3; ++i) {
        const const_rows y = alone[i]->advance({ids[i]}, dense ? 10 : 0);
        for (std::size_t c = 0; c < x.cols(); ++c) REQUIRE(x(i, c) == y(0, c));
      }
    }
    CHECK_SAYS(together.advance({1, 2, 3}, dense), shape_error, "got 3 at 10");
  }
}

TEST_CASE("levels: blocks are kept as dequantisation gives them, to the bit, in both layouts") {
  std::mt19937 random(3);
  sparsellm::cpu::executor exec(2);
  constexpr sparsellm::extents shape{150, 768};
  for (const tensor_type type : {tensor_type::q4_0, tensor_type::q4_1, tensor_type::q5_0,
                                 tensor_type::q5_1, tensor_type::q8_0, tensor_type::iq4_nl,
                                 tensor_type::q4_k, tensor_type::q5_k, tensor_type::q6_k}) {
    const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(type));
    std::vector<std::byte> bytes(shape.outputs * shape.inputs / info.block * info.bytes);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    for (std::size_t at = 0; at < bytes.size(); at += info.bytes)  // scales and minima are finite
      for (const std::size_t high : {1, 3})
        bytes[at + (type == tensor_type::q6_k ? 209 : high)] &= std::byte{0xbb};
    const tensor t{"k", type, shape.outputs, shape.inputs, bytes.data(), bytes.size()};
    std::vector<float> exact(shape.inputs), kept(shape.inputs);
    for (const auto layout :
         {sparsellm::layout_kind::panel, sparsellm::layout_kind::channel_major}) {
      const auto blocks_of = [&](std::size_t r) { return row_bytes(t, r); };
      const sparsellm::any_weight w(exec, storage_of(type), layout, shape, blocks_of);
      std::size_t wrong = 0;
      for (std::size_t r = 0; r < shape.outputs; ++r) {
        dequantize_row(t, r, exact);
        unpack_row(w, r, kept);
        wrong += std::memcmp(exact.data(), kept.data(), exact.size() * sizeof(float)) != 0 ? 1 : 0;
      }
      INFO(info.name);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("model: linear and Llama 3 rotary scaling both slow the rotation") {
  loaded_tiny linear({false, false, true}), divisors({false, true, false}), plain;
  const auto ids = some_tokens(20);
  const auto a = all_logits(linear, ids, 20, 20), b = all_logits(divisors, ids, 20, 20);
  CHECK(largest_difference(a, b) < 1e-5f);  // a divisor of 2 everywhere is a factor of 2
  CHECK(largest_difference(a, all_logits(plain, ids, 20, 20)) > 1e-2f);
}

TEST_CASE("model: a head of its own replaces the tied one") {
  loaded_tiny tied, separate({true, false, false});
  const auto ids = some_tokens(5);
  CHECK(largest_difference(all_logits(tied, ids, 5, 5), all_logits(separate, ids, 5, 5)) > 0.1f);
}

TEST_CASE("model: a table for other weights or shapes is refused, and names are for people") {
  loaded_tiny t, other({true, false, false});
  auto table = calibrate_model(t.exec, t.m, {some_tokens(64)}, uniformly(t, 0.5), quiet);
  CHECK_NOTHROW(t.m.use(t.exec, table, t.m.identity()));
  CHECK_SAYS(other.m.use(other.exec, table, other.m.identity()), format_error, "hash");
  table.model.name = "renamed";
  CHECK_NOTHROW(t.m.use(t.exec, table, t.m.identity()));
  table.sites[3].shape.inputs = 63;
  CHECK_SAYS(t.m.use(t.exec, table, t.m.identity()), format_error, "64x63 there and 64x64");
  table.sites.resize(3);
  CHECK_SAYS(t.m.use(t.exec, table, t.m.identity()), format_error, "no threshold for layer 0 o");
}

TEST_CASE("model: a table that knows each weight alone is held against each") {
  loaded_tiny t;
  auto table = calibrate_model(t.exec, t.m, {some_tokens(64)}, uniformly(t, 0.5), quiet);
  const auto self = t.m.identity();
  table.model.weight_hash = 0;
  CHECK_SAYS(t.m.use(t.exec, table, self), format_error, "have the hash 0000000000000000");
  for (auto& s : table.sites)
    for (const projection p : t.m.shape().projections())
      if (s.where.projection == name(p)) s.weight_hash = t.m.weight_hash_of(s.where.layer, p);
  CHECK(table.sites.front().weight_hash != table.sites.back().weight_hash);
  CHECK_NOTHROW(t.m.use(t.exec, table, self));
  const tensor& q = t.m.weight_of(0, projection::q);
  sparsellm::weight_hash hash;
  hash.add(q.data, q.bytes);
  CHECK(table.at({0, "q"}).weight_hash == hash.value());
  ++table.sites.back().weight_hash;
  CHECK_SAYS(t.m.use(t.exec, table, self), format_error, "layer 1 down is a weight with hash");
}

TEST_CASE("model: missing tensors, wrong tokens and too long sequences are refused") {
  gguf_builder b = tiny_model();
  std::string bytes = b.bytes();
  bytes.replace(bytes.find("blk.1.ffn_up"), 12, "blk.1.ffn_xx");
  const temporary_file file(bytes);
  sparsellm::cpu::executor exec(1);
  CHECK_SAYS(model(exec, file.path(), {}, quiet), format_error, "'blk.1.ffn_up.weight' is missing");
  loaded_tiny t;
  session s(t.exec, t.m, 8, 8);
  CHECK_SAYS(s.advance({260}, 0), value_error, "token 260 is outside the vocabulary of 260");
  CHECK_SAYS(s.advance({-1}, 0), value_error, "token -1");
  CHECK_SAYS(s.advance({}, 0), shape_error, "0 tokens");
  CHECK_SAYS(s.advance(some_tokens(9), 0), shape_error, "9 tokens at position 0");
  CHECK_SAYS(session(t.exec, t.m, 8, 1000), shape_error, "at most 128 positions");
  CHECK_SAYS(cut_windows({1}, 4, 100), value_error, "at least 2 tokens");
  CHECK_SAYS(calibrate_model(t.exec, t.m, {some_tokens(8)}, uniformly(t, 1.0), quiet), value_error,
             "must be in [0, 1), got 1");
  calibration nothing_left;
  nothing_left.sequential = true;
  nothing_left.dense_prefix = 8;
  CHECK_SAYS(calibrate_model(t.exec, t.m, {some_tokens(8)}, uniformly(t, 0.5, nothing_left), quiet),
             value_error, "nothing to observe");
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
