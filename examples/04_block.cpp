// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// One Llama block, one token, TEAL at its four inputs: what a decode step of a model is made of.
// The weights are random; examples/llama runs real ones.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "sparsellm/sparsellm.hpp"

using namespace sparsellm;
using format = channel_major<bfloat16>;  // the layout in which skipped channels are not read
using weight = packed_matrix<format>;

constexpr std::size_t width = 256, heads = 4, head_size = width / heads, hidden = 704;

struct block {
  std::vector<float> attention_norm, mlp_norm;  // gains [width]
  weight qkv, out, gate_up, down;               // q, k, v stacked; gate on up
  section<teal> qkv_keep[3];                    // a threshold for each of q, k and v
  teal out_keep, mlp_keep, down_keep;
};

// K and V of the tokens so far, a row per position.
struct cache {
  std::vector<float> keys, values;
};

// Attention of one token over all positions, one head after the other.
void attend(const float* q, const cache& seen, std::vector<float>& result) {
  const std::size_t positions = seen.keys.size() / width;
  std::vector<float> score(positions);
  for (std::size_t h = 0; h < heads; ++h) {
    const std::size_t at = h * head_size;
    for (std::size_t p = 0; p < positions; ++p) {
      score[p] = 0;
      for (std::size_t i = 0; i < head_size; ++i)
        score[p] += q[at + i] * seen.keys[p * width + at + i];
      score[p] /= std::sqrt(static_cast<float>(head_size));
    }
    const float most = *std::max_element(score.begin(), score.end());
    float sum = 0;
    for (float& s : score) sum += s = std::exp(s - most);
    for (std::size_t i = 0; i < head_size; ++i) {
      float mixed = 0;
      for (std::size_t p = 0; p < positions; ++p)
        mixed += score[p] / sum * seen.values[p * width + at + i];
      result[at + i] = mixed;
    }
  }
}

// x [width] = the block's output; the token's K and V join the cache.
void decode(cpu::executor& exec, const block& b, cache& seen, std::vector<float>& x) {
  std::vector<float> qkv(3 * width), a(width), y(width), h(hidden);
  // RMSNorm, the thresholds and the list of active channels in one pass; q, k and v in one product.
  multiply(exec, b.qkv, stacked<teal>{b.qkv_keep, 3}, rms_norm(x, b.attention_norm, 1e-5f), qkv);
  seen.keys.insert(seen.keys.end(), &qkv[width], &qkv[2 * width]);
  seen.values.insert(seen.values.end(), &qkv[2 * width], qkv.data() + 3 * width);
  attend(qkv.data(), seen, a);
  multiply(exec, b.out, b.out_keep, a, y);
  for (std::size_t i = 0; i < width; ++i) x[i] += y[i];
  // h = silu(gate · x) ∘ (up · x), and the channels of h that down will read.
  active_set active(hidden);
  multiply_gated(exec, b.gate_up, b.mlp_keep, rms_norm(x, b.mlp_norm, 1e-5f), h, b.down_keep,
                 active);
  multiply(exec, b.down, active, y);
  for (std::size_t i = 0; i < width; ++i) x[i] += y[i];
}

weight random_weight(cpu::executor& exec, std::mt19937& random, std::size_t outputs,
                     std::size_t inputs) {
  std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt(static_cast<float>(inputs)));
  std::vector<float> w(outputs * inputs);
  for (float& v : w) v = normal(random);
  return pack<format>(exec, matrix_view<const float>(w.data(), outputs, inputs));
}

int main() {
  cpu::executor exec;
  std::mt19937 random(1);
  const auto keep = [](float tau) { return teal{magnitude{}, above{tau}}; };
  // A table that calibrate() made would say which thresholds; examples/01 makes one.
  const block b{
      std::vector<float>(width, 1.0f),
      std::vector<float>(width, 1.0f),
      random_weight(exec, random, 3 * width, width),
      random_weight(exec, random, width, width),
      random_weight(exec, random, 2 * hidden, width),
      random_weight(exec, random, width, hidden),
      {{0, width, keep(0.5f)}, {width, 2 * width, keep(0.6f)}, {2 * width, 3 * width, keep(0.3f)}},
      keep(0.1f),
      keep(0.5f),
      keep(0.05f)};
  cache seen;
  std::vector<float> x(width);
  for (int token = 0; token < 3; ++token) {
    std::normal_distribution<float> normal;
    for (float& v : x) v = normal(random);
    decode(exec, b, seen, x);
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
    std::printf("token %d: root mean square %.3f\n", token,
                std::sqrt(squares / static_cast<double>(width)));
    if (!std::isfinite(squares)) return 1;
  }
}
