// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The specification: y = W · s(x) with every product and sum in double, one row at a time, for any
// format. Called by name, never a silent fallback. Tests hold every kernel to it.
#pragma once

#include <cstddef>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// y [outputs] = W [outputs, inputs] · x [inputs], only the channels that s keeps. When `magnitudes`
// [outputs] is given it receives |W| · |s(x)|, what error bounds are relative to. Runs on the
// calling thread; allocates a row and an active set. Throws shape_error when the sizes do not fit.
template <packed_format F, activation_sparsifier S>
void reference_multiply(const packed_matrix<F>& w, const S& s, vector_view<const float> x,
                        vector_view<double> y, vector_view<double> magnitudes = {}) {
  require<shape_error>(x.size() == w.shape().inputs && y.size() == w.shape().outputs,
                       "reference_multiply: W is ", w.shape().outputs, "x", w.shape().inputs,
                       ", x has ", x.size(), " and y ", y.size());
  active_set active(x.size());
  list_active(s, x, active);
  buffer<float> row(x.size());
  for (std::size_t o = 0; o < y.size(); ++o) {
    F::unpack_row(w.view(), o, vector_view<float>(row.data(), row.size()));
    double sum = 0, magnitude = 0;
    for (std::size_t i = 0; i < active.size(); ++i) {
      const auto weight = static_cast<double>(row[active.indices()[i]]);
      const double term = weight * static_cast<double>(active.values()[i]);
      sum += term;
      magnitude += term < 0 ? -term : term;
    }
    y[o] = sum;
    if (!magnitudes.empty()) magnitudes[o] = magnitude;
  }
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
