// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The example's model on the device, step by step against the CPU.

#include <memory>
#include <utility>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/session.hpp"
#include "cuda/tiny_session.hpp"
#include "methods/pruning.hpp"
#include "model/model.hpp"
#include "model/session.hpp"

using namespace llama;

TEST_CASE("cuda: calibration on the device gives the CPU's thresholds") {
  tiny t;
  calibration plain, sequential, wina, largest, centred;
  sequential.sequential = true;
  sequential.dense_prefix = 5;
  wina.score = sparsellm::table_score::column_scaled;
  largest.selection = sparsellm::table_selection::top_k;
  centred.sequential = true;
  centred.centred = true;
  for (const calibration& how : {plain, sequential, wina, largest, centred}) {
    const auto there = calibrated(t, how, make_cuda_text),
               here = calibrated(t, how, make_host_text);
    REQUIRE(there.sites.size() == here.sites.size());
    for (std::size_t i = 0; i < here.sites.size(); ++i) {
      INFO("site " << i);
      CHECK(there.sites[i].where == here.sites[i].where);
      CHECK(there.sites[i].threshold == Approx(here.sites[i].threshold).epsilon(2e-3));
    }
  }
}

TEST_CASE("cuda: CATS leaves out rows of up and channels of down, as on the CPU") {
  calibration cats;
  cats.score = sparsellm::table_score::gate;
  // As CATS packs a model, up row by row, and as others do.
  for (const auto packed_for : {sparsellm::table_score::gate, sparsellm::table_score::magnitude}) {
    tiny t(packed_for);
    const auto there = calibrated(t, cats, make_cuda_text),
               here = calibrated(t, cats, make_host_text);
    for (std::size_t i = 0; i < here.sites.size(); ++i)
      CHECK(there.sites[i].threshold == Approx(here.sites[i].threshold).epsilon(2e-3));
    const window ids = some_tokens(12);
    const auto device = make_cuda_session(t.m, 12, 20);
    session host(t.exec, t.m, 12, 20);
    for (decoder* d : {device.get(), static_cast<decoder*>(&host)}) d->append(ids, 4, nullptr);
    for (std::size_t row : {0, 3, 4, 11})
      CHECK(apart(row_of(*device, row), row_of(host, row)) < 1e-3f);
    for (decoder* d : {device.get(), static_cast<decoder*>(&host)}) d->append({7}, 0, nullptr);
    CHECK(apart(row_of(*device, 0), row_of(host, 0)) < 1e-3f);
  }
}

TEST_CASE("cuda: a session takes up thresholds and gives the CPU's logits and likeliest tokens") {
  tiny t;
  const window ids = some_tokens(12);
  const auto device = make_cuda_session(t.m, 12, 20);
  session host(t.exec, t.m, 12, 20);
  calibration largest, centred;
  largest.selection = sparsellm::table_selection::top_k;
  centred.centred = true;
  for (const calibration& how : {calibration{}, largest, centred}) {
    (void)calibrated(t, how, make_host_text);
    device->thresholds_changed();
    for (decoder* d : {device.get(), static_cast<decoder*>(&host)}) {
      d->rewind();
      d->append(ids, 4, nullptr);
      d->finish();
    }
    for (std::size_t row : {0, 3, 4, 11}) {
      INFO("row " << row);
      const std::vector<float> there = row_of(*device, row);
      CHECK(apart(there, row_of(host, row)) < 1e-3f);
      const likeliest best = device->best(row);
      CHECK(best.id == likeliest_of(sparsellm::vector_view<const float>(there)).id);
      CHECK(best.margin == likeliest_of(sparsellm::vector_view<const float>(there)).margin);
    }
  }
}

TEST_CASE("cuda: pruning on the device makes the CPU's masks, up to near ties") {
  tiny t;
  const std::vector<window> windows{some_tokens(48), some_tokens(48)};
  const auto prune = [&](const pruning& how, bool device) {
    std::vector<pruned_block> blocks;
    prune_model(
        t.exec, t.m, windows, how, quiet,
        [&](std::size_t, pruned_block b) { blocks.push_back(std::move(b)); },
        device ? make_cuda_text : make_host_text,
        device ? order_search(search_cuda_order) : order_search());
    return blocks;
  };
  for (const metric score : {metric::magnitude, metric::wanda, metric::e_sparse}) {
    pruning how;
    how.pattern = {2, 4};
    how.score = score;
    how.global_shuffle = how.local_shuffle = score != metric::magnitude;
    const auto there = prune(how, true), here = prune(how, false);
    REQUIRE(there.size() == here.size());
    for (std::size_t l = 0; l < here.size(); ++l)
      for (const projection p : projections) {
        INFO("layer " << l << ", " << name(p));
        const pruned_weight &a = there[l].weights[p], &b = here[l].weights[p];
        CHECK(a.retained.shuffled / a.retained.total ==
              Approx(b.retained.shuffled / b.retained.total).epsilon(5e-3));
        CHECK(a.energy == Approx(b.energy).epsilon(1e-3));
        REQUIRE(a.mask.shape() == b.mask.shape());
        // Without activations nothing depends on how they were added.
        std::size_t other = 0;
        for (std::size_t r = 0; r < a.mask.shape().outputs; ++r)
          for (std::size_t c = 0; c < a.mask.shape().inputs; ++c)
            other += a.mask.keeps(r, c) != b.mask.keeps(r, c);
        if (score == metric::magnitude) CHECK(other == 0);
      }
  }
  // Blocks are observed on what pruning left of those before them, whose weights go there.
  pruning how;
  how.pattern = {2, 4};
  how.sequential = true;
  const auto there = prune(how, true);
  tiny fresh;
  double there_energy = there.back().weights[projection::down].energy, here_energy = 0;
  prune_model(fresh.exec, fresh.m, windows, how, quiet, [&](std::size_t, pruned_block b) {
    here_energy = b.weights[projection::down].energy;
  });
  CHECK(there_energy == Approx(here_energy).epsilon(2e-2));
}

TEST_CASE("cuda: sequences side by side give what each gives alone") {
  tiny t;
  (void)calibrated(t, {}, make_host_text);
  for (const bool dense : {true, false}) {
    const auto together = make_cuda_sequences(t.m, 3, 6);
    std::vector<std::unique_ptr<decoder>> alone;
    for (int i = 0; i < 3; ++i) alone.push_back(make_cuda_session(t.m, 1, 6));
    std::vector<float> out(3 * alone[0]->vocabulary());
    const rows all(out.data(), 3, alone[0]->vocabulary());
    for (std::int32_t step = 0; step < 6; ++step) {
      const std::vector<std::int32_t> ids{step, 50 + step, 200 - step};
      together->step(ids, dense, all);
      for (std::size_t i = 0; i < 3; ++i) {
        alone[i]->append({ids[i]}, dense ? 6 : 0, nullptr);
        const std::vector<float> one = row_of(*alone[i], 0);
        for (std::size_t c = 0; c < one.size(); ++c) REQUIRE(all(i, c) == one[c]);
      }
    }
    CHECK_SAYS(together->step({1, 2, 3}, dense, all), sparsellm::shape_error, "got 3 at 6");
  }
}
