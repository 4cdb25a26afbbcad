// Built against headers to which toy.inl was added with one line: the set has a name, is the
// machine's best, and multiplies.
#include <cstdio>
#include <cstring>
#include <vector>

#include "sparsellm/cpu/executors/serial_executor.hpp"
#include "sparsellm/cpu/multiply_brick.hpp"
#include "sparsellm/pack/pack.hpp"

using namespace sparsellm;

int main() {
  std::vector<float> w(70 * 90), x(90), y(70), expected(70);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 23) - 11.0f;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3.0f;
  cpu::serial_executor exec;
  const auto packed =
      pack<channel_major<bfloat16>>(exec, matrix_view<const float>(w.data(), 70, 90));
  if (exec.instruction_set() != cpu::isa::toy || cpu::parse_isa("toy") != cpu::isa::toy) return 1;
  multiply(exec, packed, sparsifier{magnitude{}, above{1.0f}}, x, y);
  exec.use(cpu::isa::scalar);
  multiply(exec, packed, sparsifier{magnitude{}, above{1.0f}}, x, expected);
  std::printf("toy: y[0] = %g\n", static_cast<double>(y[0]));
  return std::memcmp(y.data(), expected.data(), 70 * sizeof(float)) == 0 ? 0 : 2;
}
