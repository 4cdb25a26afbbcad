// What an engine does: packs a weight, multiplies, checks the answer.
#include <sparsellm/sparsellm.hpp>

#include <cstdio>
#include <vector>

int main() {
  using namespace sparsellm;
  cpu::executor exec(2);
  std::vector<float> w(96 * 300), x(300), y(96);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 13) - 6.0f;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3.0f;
  const auto packed =
      pack<channel_major<bfloat16>>(exec, matrix_view<const float>(w.data(), 96, 300));
  const sparsifier s{magnitude{}, above{1.5f}};
  multiply(exec, packed, s, x, y);
  std::vector<double> expected(96);
  reference_multiply(packed, s, x, expected);
  for (std::size_t o = 0; o < 96; ++o)
    if (y[o] != static_cast<float>(expected[o])) return 1;  // small integers: exact
  std::puts("sparsellm works");
}
