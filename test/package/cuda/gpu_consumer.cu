// What an engine does on a GPU: packs a weight, takes it there, multiplies, checks the answer.
#include <sparsellm/cuda.cuh>
#include <sparsellm/sparsellm.hpp>

#include <cstdio>
#include <vector>

int main() {
  using namespace sparsellm;
  namespace gpu = sparsellm::cuda;  // CCCL has a ::cuda, too
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("sparsellm::cuda compiles; there is no GPU to run it on");
    return 0;
  }
  cpu::executor host(1);
  gpu::executor exec;
  std::vector<float> w(96 * 300), x(300), y(96);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 13) - 6.0f;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3.0f;
  const auto packed =
      pack<channel_major<bfloat16>>(host, matrix_view<const float>(w.data(), 96, 300));
  const auto weight = gpu::to_device(exec, packed);
  const auto there = gpu::to_device(exec, vector_view<const float>(x));
  auto result = exec.allocate<float>(96);
  const sparsifier s{magnitude{}, above{1.5f}};
  multiply(exec, weight, s, there.view(), result.view());
  gpu::copy(exec, vector_view<const float, device_space>(result.view()), vector_view<float>(y));
  std::vector<double> expected(96);
  reference_multiply(packed, s, x, expected);
  for (std::size_t o = 0; o < 96; ++o)
    if (y[o] != static_cast<float>(expected[o])) return 1;  // small integers: exact
  std::puts("sparsellm works on the device");
}
