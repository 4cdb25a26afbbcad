// Each file that includes this defines keeps_nan_NAME() with its own flags.
#pragma once
#include <sparsellm/sparsellm.hpp>

// Built from its bits: the arithmetic that would make one is what -ffast-math changes.
inline float from_bits(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }
inline bool is_nan(float x) {
  return (__builtin_bit_cast(std::uint32_t, x) & 0x7fffffffu) > 0x7f800000u;
}

// Whether a product that skips keeps a NaN activation, and pack refuses an infinite weight.
#define DEFINE_KEEPS_NAN(name)                                                                    \
  bool name() {                                                                                   \
    using namespace sparsellm;                                                                    \
    constexpr std::size_t outputs = 64, inputs = 300;                                             \
    cpu::executor exec(2);                                                                        \
    buffer<float> w(outputs * inputs, 0.5f), x(inputs, 2.0f), y(outputs);                         \
    x[7] = from_bits(0x7fc00000u);                                                                \
    const auto packed =                                                                           \
        pack<channel_major<bfloat16>>(exec, matrix_view<const float>(w.data(), outputs, inputs)); \
    multiply(exec, packed, sparsifier{magnitude{}, above{1.0f}}, x, y);                           \
    w[0] = from_bits(0x7f800000u);                                                                \
    bool refused = false;                                                                         \
    try {                                                                                         \
      (void)pack<channel_major<bfloat16>>(exec,                                                   \
                                          matrix_view<const float>(w.data(), outputs, inputs));   \
    } catch (const value_error&) {                                                                \
      refused = true;                                                                             \
    }                                                                                             \
    return is_nan(y[0]) && is_nan(y[outputs - 1]) && refused;                                     \
  }
