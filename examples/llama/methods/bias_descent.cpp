// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/bias_descent.hpp"

#include <cmath>
#include <cstddef>

#include "files/orders.hpp"

namespace llama {

std::vector<float> bias_descent::fitted_bias::bias() const {
  std::vector<float> b(unit.size());
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(in_units.value[i] * unit[i]);
  return b;
}

void bias_descent::measure(std::size_t layer, activation_site site, const_rows whole,
                           const_rows kept) {
  fitted_bias& b = biases_[layer][site];
  b.in_units = adam(whole.cols());
  b.unit.resize(whole.cols());
  for (std::size_t i = 0; i < b.unit.size(); ++i) {
    double squares = 0;
    for (std::size_t t = 0; t < whole.rows(); ++t) {
      const auto lost = static_cast<double>(whole(t, i) - kept(t, i));
      squares += lost * lost;
    }
    b.unit[i] = std::sqrt(squares / static_cast<double>(whole.rows()));
  }
}

void bias_descent::add(std::size_t layer, projection p, const_rows of_output) {
  fitted_bias& b = biases_[layer][site_of(p)];
  const std::size_t first = model_.shape().first_output_of(p);
  for (std::size_t t = 0; t < of_output.rows(); ++t)
    for (std::size_t i = 0; i < of_output.cols(); ++i)
      b.in_units.gradient[first + i] += static_cast<double>(of_output(t, i)) * b.unit[first + i];
}

void bias_descent::step(std::size_t number, double rate) {
  for (std::size_t l = 0; l < biases_.size(); ++l)
    for (const activation_site site : activation_sites) {
      fitted_bias& b = biases_[l][site];
      b.in_units.step(number, rate);
      model_.blocks()[l].reading(site).set_made_up(b.bias());
    }
}

void bias_descent::put_into(sparsellm::threshold_table& table) const {
  for (sparsellm::site_threshold& s : table.sites)
    for (const projection p : model_.shape().projections()) {
      if (s.where.projection != name(p)) continue;
      const std::vector<float> all = biases_[s.where.layer][site_of(p)].bias();
      const auto first =
          all.begin() + static_cast<std::ptrdiff_t>(model_.shape().first_output_of(p));
      s.bias = in_file_order(model_.row_order(s.where.layer, p),
                             {first, first + static_cast<std::ptrdiff_t>(s.shape.outputs)});
    }
}

}  // namespace llama
