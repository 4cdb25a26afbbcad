// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Block by block, activation by activation: observe, score, order, mask.
#include "methods/pruning.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/observe/channel_stats.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/permute/block_shuffle.hpp"
#include "sparsellm/prune/saliency.hpp"
#include "sparsellm/reconstruct/update.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::channel_order;
using sparsellm::channel_stats;
using sparsellm::entropy;
using sparsellm::require;
using sparsellm::value_error;
using sparsellm::vector_view;
using sparsellm::weight_mask;

namespace {

// Outputs are compared on every so many windows; the statistics take all.
constexpr std::size_t error_stride = 8;

// A weight [rows, cols], its saliencies, or anything of that shape.
struct matrix {
  matrix() = default;
  matrix(std::size_t rows_, std::size_t cols_) : rows(rows_), cols(cols_), data(rows_ * cols_) {}
  [[nodiscard]] sparsellm::matrix_view<float> view() { return {data.data(), rows, cols}; }
  [[nodiscard]] const_rows view() const { return {data.data(), rows, cols}; }
  std::size_t rows = 0, cols = 0;
  buffer<float> data;
};

matrix read_weight(sparsellm::cpu::executor& exec, const model& m, std::size_t layer,
                   projection p) {
  const sparsellm::extents e = m.extents_of(p);
  matrix w(e.outputs, e.inputs);
  exec.parallel_for(e.outputs, [&](std::size_t r) { m.read_row(layer, p, r, w.view().row(r)); });
  return w;
}

class pruner {
 public:
  pruner(sparsellm::cpu::executor& exec, model& m, const pruning& how, observed_text& text,
         order_search search)
      : exec_(exec), model_(m), how_(how), text_(text), search_(std::move(search)) {}

  // Everything that reads `site` of block l.
  void prune(std::size_t l, activation_site site, pruned_block& into) {
    const std::span<const projection> reading = model_.shape().readers(site);
    const bool nothing = std::all_of(reading.begin(), reading.end(),
                                     [&](projection p) { return stays_dense(l, p); });
    if (nothing) return;
    const channel_stats stats = text_.statistics(l, site);
    std::vector<float> scale;
    if (how_.score == metric::wanda) scale = sparsellm::wanda_scale(norms(stats));
    if (how_.score == metric::e_sparse) scale = e_sparse(l, site, stats);

    std::vector<matrix> weights, scores;
    for (const projection p : reading) {
      weights.push_back(read_weight(exec_, model_, l, p));
      const matrix& w = weights.back();
      matrix s(w.rows, w.cols);
      if (how_.score == metric::ria)
        sparsellm::score_weights(exec_, w.view(), sparsellm::ria(exec_, w.view(), norms(stats)),
                                 s.view());
      else
        sparsellm::score_weights(
            exec_, w.view(), sparsellm::scaled_magnitude{scale.empty() ? nullptr : scale.data()},
            s.view());
      scores.push_back(std::move(s));
    }
    const channel_order order = site == activation_site::attention_output
                                    ? order_in_heads(scores.front())
                                    : search_(stacked(scores).view(), how_);
    if (!order.is_identity()) into.orders[site] = order;
    std::optional<sparsellm::gram_factor> factor;
    if (how_.update != kept_weights::as_they_are)
      factor.emplace(gram_of(l, site), how_.damping, order);
    for (std::size_t i = 0; i < reading.size(); ++i)
      if (!stays_dense(l, reading[i]))
        into.weights[reading[i]] =
            pruned(scores[i], weights[i], order, factor ? &*factor : nullptr, l, site);
  }

 private:
  [[nodiscard]] bool stays_dense(std::size_t l, projection p) const {
    const auto& names = how_.dense_projections;
    return std::find(names.begin(), names.end(), name(p)) != names.end() ||
           std::find(how_.dense_layers.begin(), how_.dense_layers.end(), l) !=
               how_.dense_layers.end();
  }

  [[nodiscard]] static std::vector<double> norms(const channel_stats& stats) {
    std::vector<double> n(stats.channels());
    for (std::size_t c = 0; c < n.size(); ++c) n[c] = stats.l2_norm(c);
    return n;
  }

  [[nodiscard]] std::vector<float> e_sparse(std::size_t l, activation_site site,
                                            const channel_stats& stats) {
    const entropy seen = text_.entropies(l, site, stats, how_.entropy);
    std::vector<double> entropies(stats.channels()), sizes(stats.channels());
    for (std::size_t c = 0; c < stats.channels(); ++c) {
      entropies[c] = seen.value(c);
      sizes[c] = how_.root_mean_square ? stats.root_mean_square(c) : stats.l2_norm(c);
    }
    return sparsellm::e_sparse_scale(entropies, sizes, how_.alpha);
  }

  [[nodiscard]] static matrix stacked(const std::vector<matrix>& matrices) {
    std::size_t rows = 0;
    for (const matrix& p : matrices) rows += p.rows;
    matrix all(rows, matrices.front().cols);
    float* to = all.data.data();
    for (const matrix& p : matrices) to = std::copy(p.data.begin(), p.data.end(), to);
    return all;
  }

  // o's inputs move within heads, alike in the heads that share keys and values: those heads'
  // columns are searched as rows of one matrix.
  [[nodiscard]] channel_order order_in_heads(const matrix& scores) {
    const config& c = model_.shape();
    const std::size_t size = c.head_size, shared = c.heads / c.kv_heads;
    std::vector<std::uint32_t> at(scores.cols);
    for (std::size_t kv = 0; kv < c.kv_heads; ++kv) {
      matrix one(shared * scores.rows, size);
      for (std::size_t h = 0; h < shared; ++h)
        for (std::size_t r = 0; r < scores.rows; ++r)
          std::copy_n(&scores.view()(r, (kv * shared + h) * size), size,
                      &one.view()(h * scores.rows + r, 0));
      const channel_order inside = search_(const_rows(one.view()), how_);
      for (std::size_t h = kv * shared; h < (kv + 1) * shared; ++h)
        for (std::size_t i = 0; i < size; ++i)
          at[h * size + i] = static_cast<std::uint32_t>(h * size + inside[i]);
    }
    return channel_order(std::move(at));
  }

  [[nodiscard]] matrix in_order(const matrix& m, const channel_order& order) {
    matrix out(m.rows, m.cols);
    exec_.parallel_for(m.rows, [&](std::size_t r) {
      order.gather(m.view().row(r), vector_view<float>(out.view().row(r)));
    });
    return out;
  }

  [[nodiscard]] sparsellm::gram gram_of(std::size_t l, activation_site site) {
    sparsellm::gram g(model_.shape().channels_of(site));
    for (std::size_t w = 0; w < text_.windows(); ++w) g.observe(exec_, text_.rows_of(l, site, w));
    return g;
  }

  // The mask in the order of channels, and the weights that it leaves, updated, in the file's
  // order.
  [[nodiscard]] weight_mask updated(const matrix& weight, weight_mask mask,
                                    const channel_order& order,
                                    const sparsellm::gram_factor& factor, pruned_weight& result) {
    matrix ordered = in_order(weight, order);
    if (how_.update == kept_weights::chosen)
      mask = sparsellm::update_kept(exec_, factor, how_.pattern, ordered.view());
    else
      sparsellm::update_kept(exec_, factor, mask, ordered.view());
    result.values = buffer<float>(weight.rows * weight.cols);
    exec_.parallel_for(weight.rows, [&](std::size_t r) {
      for (std::size_t i = 0; i < weight.cols; ++i)
        result.values[r * weight.cols + order[i]] = ordered.view()(r, i);
    });
    return mask;
  }

  // factor: in the order of channels; nullptr: weights stay as they are.
  [[nodiscard]] pruned_weight pruned(const matrix& scores, matrix& weight,
                                     const channel_order& order,
                                     const sparsellm::gram_factor* factor, std::size_t l,
                                     activation_site site) {
    pruned_weight result;
    sparsellm::retention& kept = result.retained;
    kept.total = sparsellm::total_score(exec_, scores.view());
    kept.without_groups = sparsellm::retained_without_groups(exec_, how_.pattern, scores.view());
    const matrix ordered = in_order(scores, order);
    weight_mask mask = sparsellm::best_of_groups(exec_, how_.pattern, const_rows(ordered.view()));
    if (factor != nullptr) mask = updated(weight, std::move(mask), order, *factor, result);
    kept.shuffled = sparsellm::retained_score(exec_, const_rows(ordered.view()), mask);
    kept.plain = order.is_identity()
                     ? kept.shuffled
                     : sparsellm::retained_score(
                           exec_, scores.view(),
                           sparsellm::best_of_groups(exec_, how_.pattern, scores.view()));
    result.mask = weight_mask(mask.shape());
    exec_.parallel_for(scores.rows, [&](std::size_t r) {
      for (std::size_t i = 0; i < scores.cols; ++i)
        if (mask.keeps(r, i)) result.mask.keep(r, order[i]);
    });
    measure_error(weight, l, site, result);
    return result;
  }

  // ‖(W − Ŵ) x‖² and ‖W x‖² over some of the calibration windows.
  void measure_error(matrix& weight, std::size_t l, activation_site site, pruned_weight& result) {
    const auto squares = [&] {
      const auto packed =
          sparsellm::pack<sparsellm::panel<float>>(exec_, const_rows(weight.view()));
      double sum = 0;
      for (std::size_t w = 0; w < text_.windows(); w += error_stride) {
        const const_rows x = text_.rows_of(l, site, w);
        matrix y(x.rows(), weight.rows);
        sparsellm::multiply(exec_, packed, x, y.view());
        for (const float v : y.data) sum += static_cast<double>(v) * static_cast<double>(v);
      }
      return sum;
    };
    result.energy = squares();
    // What is left of the dense weight without the pruned one.
    for (std::size_t r = 0; r < weight.rows; ++r)
      for (std::size_t c = 0; c < weight.cols; ++c) {
        float& w = weight.view()(r, c);
        if (result.values.size() != 0)
          w -= result.values[r * weight.cols + c];
        else if (result.mask.keeps(r, c))
          w = 0.0f;
      }
    result.error = squares();
  }

  sparsellm::cpu::executor& exec_;
  model& model_;
  const pruning& how_;
  observed_text& text_;
  order_search search_;
};

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

// The block's weights become what the masks leave of them.
void apply(sparsellm::cpu::executor& exec, model& m, std::size_t l, activation_site site,
           const pruned_block& b) {
  const std::span<const projection> reading = m.shape().readers(site);
  stack& weights = m.blocks()[l].reading(site);
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
  weights = stack(std::move(linears), weights.bias());
}

void check_options(const model& m, const pruning& how) {
  check(how.pattern);
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
                 const text_maker& make_text, order_search search) {
  check_options(m, how);
  const std::unique_ptr<observed_text> made = make_text(exec, m, windows, windows.front().size());
  observed_text& text = *made;
  if (!search)
    search = [&](const_rows scores, const shuffling& shuffle) {
      return search_order(exec, scores, shuffle);
    };
  pruner work(exec, m, how, text, std::move(search));
  const double steps = 4.0 * static_cast<double>(m.shape().layers);
  double step = 0;
  for (std::size_t l = 0; l < m.shape().layers; ++l) {
    pruned_block block;
    if (how.sequential) text.remember();
    for (const activation_site site : activation_sites) {
      text.go_to(l, site);
      work.prune(l, site, block);
      report(++step / steps);
    }
    if (how.sequential) {
      text.recall();  // once more through the block, pruned now
      for (const activation_site site : activation_sites) {
        apply(exec, m, l, site, block);
        text.weights_changed(l, site);
        text.go_to(l, site);
      }
    }
    text.leave(l);
    done(l, std::move(block));
  }
}

}  // namespace llama
