// A criterion of one's own in ten lines: keep what is large relative to its channel's usual size.
#include <sparsellm/sparsellm.hpp>

#include <cstdio>
#include <vector>

struct unusual {
  const float* usual;  // [inputs]
  bool keeps(float x, std::size_t channel) const noexcept {
    return std::fabs(x) > 1.5f * usual[channel];
  }
};
static_assert(sparsellm::pointwise_sparsifier<unusual>);

int main() {
  using namespace sparsellm;
  const std::vector<float> w{1, 10, 100, 1000}, usual{1, 1, 4, 4}, x{2, 1, 5, 8};
  std::vector<float> y(1);
  cpu::executor exec(1);
  const auto packed = pack<channel_major<float>>(exec, matrix_view<const float>(w.data(), 1, 4));
  multiply(exec, packed, unusual{usual.data()}, x, y);  // channels 0 and 3 stay
  std::printf("%g\n", static_cast<double>(y[0]));
  return y[0] == 2 + 8000 ? 0 : 1;
}
