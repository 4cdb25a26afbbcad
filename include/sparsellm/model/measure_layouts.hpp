// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// This machine's layout efficiencies, measured: products of one token by weights that no cache has,
// in both layouts in turn.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/isa/isa.hpp"
#include "sparsellm/cpu/isa/processor.hpp"
#include "sparsellm/model/any_weight.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/pack/layout_efficiencies.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// One product in both layouts: half of the channels skipped, and none.
struct layout_probe {
  element_kind element;
  std::size_t outputs;
  std::size_t run_bytes;       // of a channel, as choose_layout() counts it
  std::vector<double> ratios;  // of each round
};

// Memory that is read as weights, another stretch of it each time, so that a product finds nothing
// of its weight in a cache. Any bytes are a weight: these are small finite numbers as every
// element.
class weight_memory {
 public:
  template <class E>
  weight_memory(E& exec, std::size_t bytes) : bytes_(bytes) {
    constexpr std::size_t piece = std::size_t{1} << 20;
    exec.parallel_for((bytes + piece - 1) / piece, [&](std::size_t i) {
      std::memset(bytes_.data() + i * piece, 0x11, std::min(piece, bytes - i * piece));
    });
  }
  // The format comes as its functions: who does not measure compiles none of them.
  [[nodiscard]] any_view<host_space> next(const any_format& functions, extents shape) {
    const std::size_t needed = functions.bytes(shape);
    require<shape_error>(needed <= bytes_.size(), "measure_layouts: at least ", needed,
                         " bytes of memory expected, got ", bytes_.size());
    if (bytes_.size() - at_ < needed) at_ = 0;
    const any_view<host_space> view{&functions, bytes_.data() + at_, shape};
    at_ = std::min(bytes_.size(), at_ + (needed + huge_page - 1) / huge_page * huge_page);
    return view;
  }

 private:
  buffer<std::byte> bytes_;
  std::size_t at_ = 0;
};

// A point for each run of the element, in ascending order: the median of its rounds, where a longer
// run was read less well that of the longer one, rounded down to hundredths.
[[nodiscard]] inline efficiency_curve curve_of(std::vector<layout_probe>& probes, element_kind e) {
  std::vector<efficiency_curve::point> points;
  for (layout_probe& p : probes) {
    if (p.element != e) continue;
    const auto middle = p.ratios.begin() + static_cast<std::ptrdiff_t>(p.ratios.size() / 2);
    std::nth_element(p.ratios.begin(), middle, p.ratios.end());
    points.push_back({p.run_bytes, std::clamp(std::floor(*middle * 100) / 100, 0.01, 1.0)});
  }
  for (std::size_t i = points.size() - 1; i-- > 0;)
    points[i].efficiency = std::min(points[i].efficiency, points[i + 1].efficiency);
  const std::size_t shortest = points.front().run_bytes;
  return {shortest, std::move(points)};
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// What choose_layout() is to go by on this machine and executor: bf16, Q4_1 and Q4_K stand for
// their classes, at three runs each; shorter runs than those are never skipped. Allocates and
// touches `memory_bytes`, which should be more than the last-level cache: a machine that shares a
// larger one reads faster than it will later. Takes well below a second on a machine that reads
// 10 GB/s, and stops repeating after half of one; other programs disturb it. Throws shape_error for
// less memory than the largest of the weights.
template <host_executor E>
[[nodiscard]] layout_efficiencies measure_layouts(E& exec,
                                                  std::size_t memory_bytes = std::size_t{256}
                                                                             << 20) {
  using clock = std::chrono::steady_clock;
  constexpr std::size_t inputs = 4096, rounds = 7;
  constexpr float threshold = 0.5f;

  std::vector<detail::layout_probe> probes;
  const auto add = [&](element_kind e, const std::array<std::size_t, 3>& outputs) {
    for (const std::size_t n : outputs) probes.push_back({e, n, n * bits_of(e) / 8, {}});
  };
  add(element_kind::bf16, {192, 1024, 4096});
  add(element_kind::q4_1, {512, 2048, 8192});
  add(element_kind::q4_k, {512, 2048, 8192});

  std::vector<float> x(inputs), y(8192);
  std::size_t kept = 0;
  std::uint32_t state = 1;  // Knuth's linear congruential generator: The Art, volume 2, 3.3.4
  for (float& v : x) {
    state = state * 1664525u + 1013904223u;
    v = (state >> 31) != 0 ? 1.0f : 0.25f;
    kept += v > threshold ? 1 : 0;
  }
  const teal keep{magnitude{}, above{threshold}};
  detail::weight_memory weights(exec, memory_bytes);
  const auto seconds = [&](const detail::layout_probe& p, layout_kind layout) {
    const auto w =
        weights.next(detail::format_for<>({p.element, layout, {0, 0}}), {p.outputs, inputs});
    const vector_view<float> out(y.data(), p.outputs);
    const auto start = clock::now();
    if (layout == layout_kind::panel)
      multiply(exec, w, vector_view<const float>(x), out);
    else
      multiply(exec, w, keep, vector_view<const float>(x), out);
    return std::chrono::duration<double>(clock::now() - start).count();
  };

  const double active = static_cast<double>(kept) / static_cast<double>(inputs);
  const auto start = clock::now();
  // The first round grows the executor's memory and wakes its threads: it does not count.
  for (std::size_t round = 0; round <= rounds; ++round) {
    if (round > 1 && clock::now() - start > std::chrono::milliseconds(500)) break;
    for (detail::layout_probe& p : probes) {
      const double dense = seconds(p, layout_kind::panel);
      const double sparse = seconds(p, layout_kind::channel_major);
      // A clock too coarse to see a product says nothing of it.
      const double ratio = sparse > 0.0 ? dense * active / sparse : 0.0;
      if (round > 0) p.ratios.push_back(ratio);
    }
  }
  return {detail::curve_of(probes, element_kind::bf16),
          detail::curve_of(probes, element_kind::q4_1),
          detail::curve_of(probes, element_kind::q4_k)};
}

// What a table of efficiencies calls this machine: efficiencies depend on the processor, and on the
// instruction set and the number of threads that the executor has.
template <host_executor E>
[[nodiscard]] std::string machine_name(const E& exec) {
  return concat(cpu::processor_name(), ", ", cpu::name(exec.instruction_set()), ", ",
                exec.concurrency(), " threads");
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
