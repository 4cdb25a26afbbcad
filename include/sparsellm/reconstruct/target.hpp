// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a weight should become before it is pruned, where the layers before it are pruned already:
// the weight whose outputs on what those give come nearest to the dense model's on its own inputs
// (asymmetric calibration, GPTAQ, arXiv 2504.02692, here in closed form).
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/reconstruct/cross_gram.hpp"
#include "sparsellm/reconstruct/gram.hpp"
#include "sparsellm/reconstruct/gram_factor.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// For x of the pruned model, G its Gram matrix, x' of the dense model: W + W (C − G) H⁻¹
// minimises the sum over tokens of ‖W x' − V x‖² + damping · mean(diagonal of G) · ‖V − W‖² over V,
// where C sums x'ᵢ xⱼ.
class dense_target {
 public:
  // dense: C [channels, channels] as above. Allocates 4 · channels² bytes. Throws shape_error for
  // other sizes.
  template <host_executor E>
  dense_target(E& exec, const gram& pruned, const cross_gram& dense,
               const channel_order& order = {})
      : difference_(pack_difference(exec, pruned, dense, order)), channels_(pruned.channels()) {}

  // W [rows, channels], in the order, for the factor of G in the order and its damping. The same
  // bits for every number of threads. Waits; allocates 8 · channels² bytes and 2 KiB a channel.
  // Throws shape_error for other sizes.
  template <host_executor E>
  void move(E& exec, const gram_factor& factor, matrix_view<float> w) const {
    require<shape_error>(w.cols() == channels_ && factor.channels() == channels_,
                         "dense_target: rows of ", channels_, " channels expected, got ", w.cols(),
                         " and a factor of ", factor.channels());
    // H⁻¹ = UᵀU.
    const extents square{channels_, channels_};
    const auto u = pack<panel<float>>(exec, square, [&](std::size_t j, vector_view<float> row) {
      for (std::size_t k = 0; k < row.size(); ++k) row[k] = k < j ? 0.0f : factor(j, k);
    });
    const auto u_transposed =
        pack<panel<float>>(exec, square, [&](std::size_t k, vector_view<float> row) {
          for (std::size_t j = 0; j < row.size(); ++j) row[j] = k < j ? 0.0f : factor(j, k);
        });
    constexpr std::size_t rows_at_once = 256;
    buffer<float> memory(2 * rows_at_once * channels_);
    for (std::size_t first = 0; first < w.rows(); first += rows_at_once) {
      const std::size_t count = std::min(rows_at_once, w.rows() - first);
      const matrix_view<float> a(memory.data(), count, channels_),
          b(memory.data() + rows_at_once * channels_, count, channels_);
      const matrix_view<const float> of_w(&w(first, 0), count, channels_, w.stride());
      multiply(exec, difference_, of_w, a);
      multiply(exec, u, matrix_view<const float>(a), b);
      multiply(exec, u_transposed, matrix_view<const float>(b), a);
      exec.parallel_for(count, [&](std::size_t r) {
        for (std::size_t c = 0; c < channels_; ++c) w(first + r, c) += a(r, c);
      });
    }
  }

 private:
  [[nodiscard]] static std::size_t placed(const channel_order& order, std::size_t place) {
    return order.size() == 0 ? place : static_cast<std::size_t>(order[place]);
  }

  // (C − G)ᵀ in the order.
  template <class E>
  [[nodiscard]] static packed_matrix<panel<float>> pack_difference(E& exec, const gram& pruned,
                                                                   const cross_gram& dense,
                                                                   const channel_order& order) {
    const std::size_t n = pruned.channels();
    require<shape_error>(
        dense.outputs() == n && dense.inputs() == n && (order.size() == 0 || order.size() == n),
        "dense_target: ", n, " channels expected, got ", dense.outputs(), "x", dense.inputs(),
        " and an order of ", order.size());
    return pack<panel<float>>(exec, extents{n, n}, [&](std::size_t j, vector_view<float> row) {
      const std::size_t to = placed(order, j);
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t from = placed(order, i);
        row[i] = static_cast<float>(dense(from, to) - pruned(from, to));
      }
    });
  }

  packed_matrix<panel<float>> difference_;
  std::size_t channels_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
