// Packs a weight and multiplies, skipping one of its two inputs.
#include <sparsellm/sparsellm.hpp>

#include <cstdio>
#include <vector>

int main() {
  using namespace sparsellm;
  cpu::executor exec(1);
  const std::vector<float> weight{1, 2, 3, 4};  // [outputs 2, inputs 2]
  const std::vector<float> x{0.5f, 2.0f};
  std::vector<float> y(2);
  const auto packed =
      pack<channel_major<float>>(exec, matrix_view<const float>(weight.data(), 2, 2));
  multiply(exec, packed, sparsifier{magnitude{}, above{1.0f}}, x, y);
  std::printf("sparsellm %s: %g %g\n", SPARSELLM_VERSION_STRING, y[0], y[1]);
  return y == std::vector<float>{4, 8} ? 0 : 1;
}
