// One product, for files that are compiled in both ways.
#pragma once
#include <sparsellm/sparsellm.hpp>

inline float product_of(sparsellm::buffer<float>& w, sparsellm::buffer<float>& x) {
  using namespace sparsellm;
  cpu::executor exec(2);
  buffer<float> y(1);
  const auto packed = pack<panel<float>>(exec, matrix_view<const float>(w.data(), 1, w.size()));
  multiply(exec, packed, x, y);
  return y[0];
}
