// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Decode steps as graphs, against the same steps launched one by one and against the CPU.

#include <memory>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/session.hpp"
#include "cuda/tiny_session.hpp"
#include "model/generation.hpp"
#include "model/session.hpp"

using namespace llama;

namespace {

struct written {
  std::vector<std::int32_t> ids;
  std::vector<float> margins;
  bool operator==(const written&) const = default;
};

// Greedy tokens after row `row`, until so many or `stop`.
written decode(decoder& d, std::size_t row, std::size_t count, std::size_t dense_prefix,
               const activation_observer* observe = nullptr, std::size_t stop = ~std::size_t{0}) {
  written w;
  d.decode_greedily(row, count, dense_prefix, observe, [&](likeliest l) {
    w.ids.push_back(l.id);
    w.margins.push_back(l.margin);
    return w.ids.size() != stop;
  });
  return w;
}
// The same, no step of which is a graph: an observer sees each.
written decode_one_by_one(decoder& d, std::size_t row, std::size_t count,
                          std::size_t dense_prefix) {
  const activation_observer nothing = [](std::size_t, activation_site, const_rows) {};
  written w;
  d.decoder::decode_greedily(row, count, dense_prefix, &nothing, [&](likeliest l) {
    w.ids.push_back(l.id);
    w.margins.push_back(l.margin);
    return true;
  });
  return w;
}

}  // namespace

TEST_CASE("cuda: steps as graphs write what steps one by one and the CPU write") {
  tiny t;
  (void)calibrated(t, {}, make_host_text);
  // All dense, all sparse, and from one to the other on the way.
  for (const std::size_t dense_prefix : {64, 0, 17}) {
    INFO("dense below " << dense_prefix);
    const auto graphs = make_cuda_session(t.m, 12, 40), plain = make_cuda_session(t.m, 12, 40);
    session host(t.exec, t.m, 12, 40);
    for (decoder* d : {graphs.get(), plain.get(), static_cast<decoder*>(&host)})
      d->append(some_tokens(12), dense_prefix, nullptr);
    const written ours = decode(*graphs, 11, 20, dense_prefix);
    CHECK(ours == decode_one_by_one(*plain, 11, 20, dense_prefix));
    CHECK(graphs->position() == 31);
    CHECK(plain->position() == 31);
    const written cpu = decode(host, 11, 20, dense_prefix);
    for (std::size_t i = 0; i < 20 && cpu.margins[i] > 0.02f; ++i) CHECK(ours.ids[i] == cpu.ids[i]);
    // What follows stands on the same keys and values.
    for (decoder* d : {graphs.get(), plain.get()}) d->append({5, 6, 7}, dense_prefix, nullptr);
    CHECK(row_of(*graphs, 2) == row_of(*plain, 2));
  }
}

TEST_CASE("cuda: a text that stops has neither lost nor won a token, and goes on") {
  tiny t;
  (void)calibrated(t, {}, make_host_text);
  const auto a = make_cuda_session(t.m, 12, 40), b = make_cuda_session(t.m, 12, 40);
  for (decoder* d : {a.get(), b.get()}) d->append(some_tokens(12), 12, nullptr);
  const written whole = decode(*b, 11, 24, 12);
  const written part = decode(*a, 11, 24, 12, nullptr, 4);
  CHECK(part.ids == std::vector<std::int32_t>(whole.ids.begin(), whole.ids.begin() + 4));
  CHECK(a->position() == 15);
  a->append({part.ids.back()}, 12, nullptr);
  CHECK(decode(*a, 0, 5, 12).ids ==
        std::vector<std::int32_t>(whole.ids.begin() + 4, whole.ids.begin() + 9));
  // To the end of the cache, and no further.
  a->rewind(12);
  a->append({some_tokens(12).back()}, 12, nullptr);
  written all;
  CHECK_THROWS_AS(a->decode_greedily(0, 100, 12, nullptr,
                                     [&](likeliest l) {
                                       all.ids.push_back(l.id);
                                       return true;
                                     }),
                  sparsellm::shape_error);
  CHECK(all.ids.size() == 40 - 13 + 1);
  CHECK(a->position() == 40);
  CHECK(decode(*b, 0, 0, 12).ids.empty());
  CHECK_THROWS_AS(b->append({-1}, 12, nullptr), sparsellm::value_error);
}

TEST_CASE("cuda: graphs replay after longer prefills, other thresholds and beside other sessions") {
  tiny t;
  (void)calibrated(t, {}, make_host_text);
  const auto one = make_cuda_session(t.m, 48, 64), other = make_cuda_session(t.m, 48, 64);
  const auto fresh = [&](const window& prompt, std::size_t count) {
    const auto d = make_cuda_session(t.m, 48, 64);
    d->append(prompt, prompt.size(), nullptr);
    return decode(*d, prompt.size() - 1, count, prompt.size());
  };
  const window brief = some_tokens(3), lengthy = some_tokens(48);
  for (decoder* d : {one.get(), other.get()}) {
    d->append(brief, 3, nullptr);
    CHECK(decode(*d, 2, 6, 3) == fresh(brief, 6));
  }
  one->rewind();
  one->append(lengthy, 48, nullptr);
  (void)row_of(*one, 0);
  std::vector<float> many(8 * one->vocabulary());
  one->logits(4, rows(many.data(), 8, one->vocabulary()));  // more memory for logits
  CHECK(decode(*one, 47, 12, 48) == fresh(lengthy, 12));
  other->append({9}, 3, nullptr);
  CHECK(other->best(0).id ==
        likeliest_of(sparsellm::vector_view<const float>(row_of(*other, 0))).id);

  calibration largest;
  largest.selection = sparsellm::table_selection::top_k;
  (void)calibrated(t, largest, make_host_text);
  one->thresholds_changed();
  one->rewind();
  one->append(brief, 3, nullptr);
  CHECK(decode(*one, 2, 12, 3) == fresh(brief, 12));
}

TEST_CASE("cuda: an observer sees what the steps multiplied, and leaves the cache as they did") {
  tiny t;
  (void)calibrated(t, {}, make_host_text);
  const auto seen = make_cuda_session(t.m, 12, 40), plain = make_cuda_session(t.m, 12, 40);
  std::vector<float> of_graphs, of_steps;
  const auto keep = [](std::vector<float>& to) {
    return activation_observer([&to](std::size_t l, activation_site site, const_rows x) {
      if (l == 1 && site == activation_site::mlp_hidden)
        for (std::size_t r = 0; r < x.rows(); ++r)
          to.insert(to.end(), x.row(r).begin(), x.row(r).end());
    });
  };
  for (decoder* d : {seen.get(), plain.get()}) d->append(some_tokens(12), 12, nullptr);
  const activation_observer a = keep(of_graphs), b = keep(of_steps);
  const written ours = decode(*seen, 11, 20, 12, &a);
  written theirs;
  plain->decoder::decode_greedily(11, 20, 12, &b, [&](likeliest l) {
    theirs.ids.push_back(l.id);
    theirs.margins.push_back(l.margin);
    return true;
  });
  CHECK(ours == theirs);
  CHECK(of_graphs.size() == 19 * t.m.shape().hidden);
  CHECK(of_graphs == of_steps);
  for (decoder* d : {seen.get(), plain.get()}) d->append({5, 6, 7}, 12, nullptr);
  CHECK(row_of(*seen, 2) == row_of(*plain, 2));
}

TEST_CASE("cuda: a temperature draws from the logits of graphs as from those of the CPU") {
  tiny t;
  const auto device = make_cuda_session(t.m, 12, 40);
  session host(t.exec, t.m, 12, 40);
  const auto run = [&](decoder& d) {
    sampler pick(0.7, 5);
    return generate(d, some_tokens(12), 12, 99, {}, pick, nullptr, quiet, [](std::int32_t) {}).ids;
  };
  CHECK(run(*device) == run(host));
}
