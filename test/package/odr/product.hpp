// Each file that includes this defines product_<NAME>() at its own -march.
#pragma once
#include <sparsellm/sparsellm.hpp>

#include <vector>

inline constexpr std::size_t outputs = 64, inputs = 300;

#define DEFINE_PRODUCT(name)                                                                      \
  float name() {                                                                                  \
    using namespace sparsellm;                                                                    \
    cpu::executor exec(2);                                                                        \
    buffer<float> w(outputs * inputs, 0.5f), x(inputs, 2.0f), y(outputs);                         \
    const auto packed =                                                                           \
        pack<channel_major<bfloat16>>(exec, matrix_view<const float>(w.data(), outputs, inputs)); \
    multiply(exec, packed, sparsifier{magnitude{}, above{1.0f}}, x, y);                           \
    histogram h;                                                                                  \
    h.observe(y);                                                                                 \
    return h.quantile(0.5);                                                                       \
  }
