// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How many bytes per second channel_major reads of active channels, as a share of a panel's stream:
// what choose_layout() decides by. It depends on the machine, on what elements are, and on how long
// a channel's contiguous run is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/element_kind.hpp"

namespace sparsellm::inline v0 {

// Elements whose channels are read alike: f32, f16 and bf16; blocks of levels; GGUF's K-quants.
enum class element_class { floats, quantized, super_blocks };

// The class of a dense weight's elements.
[[nodiscard]] constexpr element_class class_of(element_kind e) noexcept {
  if (!is_quantized(e)) return element_class::floats;
  return has_super_blocks(e) ? element_class::super_blocks : element_class::quantized;
}
// As files spell it.
[[nodiscard]] constexpr std::string_view name(element_class c) noexcept {
  constexpr std::string_view names[] = {"floats", "quantized", "super_blocks"};
  return names[static_cast<std::size_t>(c)];
}
inline constexpr element_class all_element_classes[] = {
    element_class::floats, element_class::quantized, element_class::super_blocks};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The efficiency of one class by the bytes of a channel's run: linear between points, and from
// nothing at 0 bytes to the first one; that of the last point for longer runs.
class efficiency_curve {
 public:
  // Of channels whose run is so long.
  struct point {
    std::size_t run_bytes;
    double efficiency;
  };
  static constexpr std::size_t most_points = 64;

  // Channels whose run is below `shortest_run` bytes are never skipped: their efficiency is 0.
  // Throws value_error unless there are 1 to 64 points of ascending runs of at least 1 byte whose
  // efficiencies are above 0, at most 1, and do not fall.
  efficiency_curve(std::size_t shortest_run, std::vector<point> points)
      : shortest_run_(shortest_run), points_(std::move(points)) {
    require<value_error>(!points_.empty() && points_.size() <= most_points,
                         "efficiency_curve: 1 to ", most_points, " points expected, got ",
                         points_.size());
    point last{0, 0.0};
    for (const point& p : points_) {
      require<value_error>(p.run_bytes > last.run_bytes,
                           "efficiency_curve: ascending runs of at least 1 byte expected, got ",
                           p.run_bytes, " after ", last.run_bytes);
      require<value_error>(is_finite(p.efficiency) && p.efficiency > 0.0 && p.efficiency <= 1.0,
                           "efficiency_curve: efficiencies above 0 and at most 1 expected, got ",
                           p.efficiency);
      require<value_error>(p.efficiency >= last.efficiency,
                           "efficiency_curve: longer runs are not read less well, got ",
                           p.efficiency, " after ", last.efficiency);
      last = p;
    }
  }

  // In [0, 1].
  [[nodiscard]] double at(std::size_t run_bytes) const noexcept {
    if (run_bytes < shortest_run_) return 0.0;
    const auto x = static_cast<double>(run_bytes);
    point a{0, 0.0};
    for (const point& b : points_) {
      const auto from = static_cast<double>(a.run_bytes), to = static_cast<double>(b.run_bytes);
      if (x <= to) return a.efficiency + (b.efficiency - a.efficiency) * (x - from) / (to - from);
      a = b;
    }
    return a.efficiency;
  }
  [[nodiscard]] std::size_t shortest_run() const noexcept { return shortest_run_; }
  [[nodiscard]] const std::vector<point>& points() const noexcept { return points_; }

 private:
  std::size_t shortest_run_;
  std::vector<point> points_;
};

// Of one machine, a curve for each class. N:M weights go by the floats' curve.
struct layout_efficiencies {
  efficiency_curve floats, quantized, super_blocks;

  // The class's curve.
  [[nodiscard]] const efficiency_curve& of(element_class c) const noexcept {
    return c == element_class::floats      ? floats
           : c == element_class::quantized ? quantized
                                           : super_blocks;
  }
};

// What choose_layout() takes when it is given nothing else, the same on every machine. Floats:
// Zen 4 with 2 threads, 50 % skipped at random, rounded down, so that a wrong choice is the dense
// one. Quantised: a block's scales are read whatever is skipped in it, and channels are padded to
// fours, so the length of a run hardly matters beside that; between 0.57 on Zen 4 and what a Xeon
// with AMX has, so that it costs at most 7 % on the one.
[[nodiscard]] inline const layout_efficiencies& default_efficiencies() {
  static const layout_efficiencies of_any_machine{
      {0, {{384, 0.56}, {768, 0.62}, {1152, 0.68}, {2048, 0.72}, {4096, 0.75}, {8192, 0.76}}},
      {256, {{256, 0.61}}},
      {256, {{256, 0.61}}}};
  return of_any_machine;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
