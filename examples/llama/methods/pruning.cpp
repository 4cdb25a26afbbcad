// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Block by block, activation by activation.
#include "methods/pruning.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "methods/site_pruning.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/permute/block_shuffle.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::channel_order;
using sparsellm::require;
using sparsellm::value_error;
using sparsellm::vector_view;
using sparsellm::weight_mask;

namespace {

// On the CPU.
channel_order search_order(sparsellm::cpu::executor& exec, const_rows scores,
                           const shuffling& how) {
  channel_order order = channel_order::identity(scores.cols());
  if (how.global_shuffle)
    order = sparsellm::global_shuffle(sparsellm::mean_scores(scores), how.pattern.m, how.deal);
  if (!how.local_shuffle) return order;
  sparsellm::block_shuffle_options options;
  options.block = std::max(how.block, how.pattern.m);
  return sparsellm::block_shuffle(exec, how.pattern, scores, order, options, shuffle_clock(how));
}

// What the masks leave of a block's weights.
stack left_of(sparsellm::cpu::executor& exec, const model& m, std::size_t l, activation_site site,
              const pruned_block& b) {
  const std::span<const projection> reading = m.shape().readers(site);
  const stack& weights = m.blocks()[l].reading(site);
  std::vector<sparsellm::sparse_linear> linears;
  std::vector<std::size_t> sizes;
  sparsellm::extents shape{0, m.extents_of(reading.front()).inputs};
  for (const projection p : reading) {
    sizes.push_back(m.extents_of(p).outputs);
    shape.outputs += sizes.back();
  }
  linears.emplace_back(
      sparsellm::any_weight(exec, weights.linears().front().element(),
                            sparsellm::layout_kind::panel, shape,
                            [&](std::size_t row, vector_view<float> out) {
                              std::size_t i = 0;
                              for (; row >= sizes[i]; ++i) row -= sizes[i];
                              m.read_row(l, reading[i], row, out);
                              const buffer<float>& now = b.weights[reading[i]].values;
                              if (now.size() != 0)
                                std::copy_n(&now[row * out.size()], out.size(), out.begin());
                              const weight_mask& mask = b.weights[reading[i]].mask;
                              if (mask.shape().outputs == 0) return;
                              for (std::size_t c = 0; c < out.size(); ++c)
                                if (!mask.keeps(row, c)) out[c] = 0.0f;
                            }),
      sizes);
  return stack(std::move(linears), weights.bias());
}

// One run over all blocks.
class run {
 public:
  // dense: nullptr unless the update looks at the dense model, which is then the same one: of the
  // block at work it has both, and each text runs with its own.
  run(sparsellm::cpu::executor& exec, model& m, const pruning& how, observed_text& text,
      observed_text* dense, order_search search, const progress& report)
      : exec_(exec),
        model_(m),
        how_(how),
        text_(text),
        dense_(dense),
        work_(exec, m, how, text, dense, std::move(search)),
        report_(report) {}

  [[nodiscard]] pruned_block prune(std::size_t l) {
    pruned_block block;
    if (!how_.sequential)
      all_sites(l, [&](activation_site site) { work_.prune(l, site, block); });
    else if (how_.update != kept_weights::as_they_are)
      // What reads an activation makes up for what was pruned before it, in this block too.
      all_sites(l, [&](activation_site site) {
        work_.prune(l, site, block);
        use(l, site, block);
      });
    else {
      text_.remember();
      all_sites(l, [&](activation_site site) { work_.prune(l, site, block); });
      text_.recall();  // once more through the block, pruned now
      for (const activation_site site : activation_sites) {
        use(l, site, block);
        text_.go_to(l, site);
      }
    }
    leave(l);
    return block;
  }

  // A block that was pruned before.
  void pass(std::size_t l, const pruned_block& block) {
    for (const activation_site site : activation_sites) {
      go_to(l, site);
      if (how_.sequential) use(l, site, block);
    }
    leave(l);
    report_(static_cast<double>(l + 1) / static_cast<double>(model_.shape().layers));
  }

 private:
  template <class Body>
  void all_sites(std::size_t l, const Body& body) {
    double step = 4.0 * static_cast<double>(l);
    for (const activation_site site : activation_sites) {
      go_to(l, site);
      body(site);
      report_(++step / (4.0 * static_cast<double>(model_.shape().layers)));
    }
  }
  void go_to(std::size_t l, activation_site site) {
    text_.go_to(l, site);
    with_dense_weights(l, [&] { dense_->go_to(l, site); });
  }
  void leave(std::size_t l) {
    text_.leave(l);
    with_dense_weights(l, [&] { dense_->leave(l); });
    replaced_.clear();
  }
  // Pruned weights take the place of dense ones, which are kept while the block is at work.
  void use(std::size_t l, activation_site site, const pruned_block& block) {
    stack pruned = left_of(exec_, model_, l, site, block);
    std::swap(pruned, model_.blocks()[l].reading(site));
    if (dense_ != nullptr) replaced_.emplace_back(site, std::move(pruned));
    text_.weights_changed(l, site);
  }
  template <class Body>
  void with_dense_weights(std::size_t l, const Body& body) {
    if (dense_ == nullptr) return;
    swap_weights(l);
    body();
    swap_weights(l);
  }
  void swap_weights(std::size_t l) {
    for (auto& [site, weights] : replaced_) std::swap(weights, model_.blocks()[l].reading(site));
  }

  sparsellm::cpu::executor& exec_;
  model& model_;
  const pruning& how_;
  observed_text& text_;
  observed_text* dense_;
  site_pruner work_;
  const progress& report_;
  std::vector<std::pair<activation_site, stack>> replaced_;
};

void check_options(const model& m, const pruning& how) {
  check(how.pattern);
  require<value_error>(
      how.target == update_target::own ||
          (how.sequential && how.update != kept_weights::as_they_are),
      "prune: the dense model's outputs are a target of sequential pruning with an update");
  if (how.plan.has_value()) how.plan->check(m.shape());
  const std::span<const projection> own = m.shape().projections();
  for (const std::string& given : how.dense_projections)
    require<value_error>(
        std::any_of(own.begin(), own.end(), [&](projection p) { return name(p) == given; }),
        "prune: q, k, v, o, ", m.shape().is_gated() ? "gate, " : "", "up or down expected, got '",
        given, "'");
  for (const std::size_t l : how.dense_layers)
    require<value_error>(l < m.shape().layers, "prune: there is no layer ", l, " of ",
                         m.shape().layers);
  require<value_error>(m.file().orders().empty(),
                       "prune: the model is pruned already, a dense one expected");
}

}  // namespace

void prune_model(sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
                 const pruning& how, const progress& report,
                 const std::function<void(std::size_t layer, pruned_block)>& done,
                 const text_maker& make_text, order_search search, const block_source& earlier) {
  check_options(m, how);
  const std::unique_ptr<observed_text> text = make_text(exec, m, windows, windows.front().size());
  if (!search)
    search = [&](const_rows scores, const shuffling& shuffle) {
      return search_order(exec, scores, shuffle);
    };
  std::unique_ptr<observed_text> dense;
  if (how.target != update_target::own) dense = make_text(exec, m, windows, windows.front().size());
  run blocks(exec, m, how, *text, dense.get(), std::move(search), report);
  for (std::size_t l = 0; l < m.shape().layers; ++l) {
    std::optional<pruned_block> block = earlier ? earlier(l) : std::nullopt;
    if (block.has_value())
      blocks.pass(l, *block);
    else
      block = blocks.prune(l);
    done(l, std::move(*block));
  }
}

void put_pruned(sparsellm::cpu::executor& exec, model& m, const std::vector<pruned_block>& blocks) {
  for (std::size_t l = 0; l < blocks.size(); ++l)
    for (const activation_site site : activation_sites)
      m.blocks()[l].reading(site) = left_of(exec, m, l, site, blocks[l]);
}

}  // namespace llama
