// From activations to a sparse product: observe, calibrate, pack, multiply, and what it changed.
#include <sparsellm/sparsellm.hpp>

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

int main() {
  using namespace sparsellm;
  constexpr std::size_t outputs = 512, inputs = 2048, tokens = 200;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> samples(tokens * inputs), w_dense(outputs * inputs), x(inputs), y(outputs),
      dense(outputs);
  for (std::vector<float>* v : {&samples, &w_dense, &x})
    for (float& e : *v) e = normal(random);
  const matrix_view<const float> rows(samples.data(), tokens, inputs);
  const matrix_view<const float> weight(w_dense.data(), outputs, inputs);

  cpu::executor exec;
  auto [values, stats] = observe(rows, histogram{}, channel_stats{inputs});
  auto table = calibrate(uniform{0.5}, {{{0, "down"}, {outputs, inputs}, &values}});
  auto w = pack<channel_major<bfloat16>>(exec, weight);
  multiply(exec, w, sparsifier{magnitude{}, above{table.sites[0].threshold}}, x, y);

  multiply(exec, w, x, dense);
  active_set active(inputs);
  sparsify(exec, sparsifier{magnitude{}, above{table.sites[0].threshold}}, x, active);
  double error = 0, norm = 0;
  for (std::size_t o = 0; o < outputs; ++o) {
    error += (y[o] - dense[o]) * (y[o] - dense[o]);
    norm += dense[o] * dense[o];
  }
  std::printf(
      "threshold %.3f, channel 0 has rms %.2f, %zu of %zu channels read, relative error %.2f\n",
      table.sites[0].threshold, stats.root_mean_square(0), active.size(), inputs,
      std::sqrt(error / norm));
  return active.size() > 900 && active.size() < 1150 && error < 0.15 * norm ? 0 : 1;
}
