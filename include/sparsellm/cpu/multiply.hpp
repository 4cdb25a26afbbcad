// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// run_multiply() for host executors: cuts a product into tasks and calls the kernels of the
// executor's instruction set. Dense formats split outputs between threads. channel_major splits
// channels, so that every live row is read as one long run; the parts of multiply/summation.hpp
// make the result independent of how many threads there are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/foreach_target.hpp"
#include "sparsellm/cpu/isa.hpp"
#include "sparsellm/cpu/kernel_table.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// An executor that does not say which instruction set to use gets the machine's best.
template <host_executor E>
[[nodiscard]] isa isa_of(const E& exec) {
  if constexpr (requires { exec.instruction_set(); })
    return exec.instruction_set();
  else
    return default_isa();
}

// Scratch cut into arrays, each on its own cache lines.
class scratch_layout {
 public:
  template <class T>
  std::size_t reserve(std::size_t n) noexcept {
    const std::size_t at = bytes_;
    bytes_ += (n * sizeof(T) + 63) / 64 * 64;
    return at;
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

template <class T>
[[nodiscard]] T* at(std::byte* base, std::size_t offset) noexcept {
  return reinterpret_cast<T*>(base + offset);
}

// Kernels store whole vectors of compacted channels; this many entries may follow the last.
inline constexpr std::size_t compaction_slack = 16;

// Appends the channels of [first, last) that s keeps; returns how many.
template <class T, pointwise_sparsifier S>
[[nodiscard]] std::size_t compact(const kernel_table<T>& kernels, const S& s, const float* x,
                                  std::size_t first, std::size_t last, std::uint32_t* index,
                                  float* value) noexcept {
  if constexpr (std::is_same_v<S, teal>) {
    return kernels.compact_above(x, nullptr, s.select.tau, first, last, index, value);
  } else if constexpr (std::is_same_v<S, sparsifier<column_scaled, above>>) {
    return kernels.compact_above(x, s.score.scale, s.select.tau, first, last, index, value);
  } else {
    std::size_t n = 0;
    for (std::size_t c = first; c < last; ++c)
      if (s.keeps(x[c], c)) {
        index[n] = static_cast<std::uint32_t>(c);
        value[n++] = x[c];
      }
    return n;
  }
}

// out [n] = x where s keeps it, else 0: what formats that cannot skip multiply with.
template <pointwise_sparsifier S>
void mask(const S& s, vector_view<const float> x, float* out) noexcept {
  for (std::size_t c = 0; c < x.size(); ++c) out[c] = s.keeps(x[c], c) ? x[c] : 0.0f;
}

inline void scatter(active_view active, std::size_t inputs, float* out) noexcept {
  std::fill(out, out + inputs, 0.0f);
  for (std::size_t i = 0; i < active.count; ++i) out[active.index[i]] = active.value[i];
}

// Task t of `tasks` over [0, count).
[[nodiscard]] constexpr group_range share(std::size_t count, std::size_t t,
                                          std::size_t tasks) noexcept {
  return {count * t / tasks, count * (t + 1) / tasks};
}

template <host_executor E, storage_scalar T>
void dense_product(E& exec, const grouped_weight<T>& w, const float* x, float* y) {
  const kernel_table<T>& kernels = kernels_for<T>(isa_of(exec));
  const std::size_t tasks = std::min<std::size_t>(w.groups(), exec.concurrency());
  exec.parallel_for(
      tasks, [&](std::size_t t) { kernels.dense_gemv(w, share(w.groups(), t, tasks), x, y); });
}

// y = the sum of the channels that `list` names: list(first, last, index, value) writes the live
// channels of [first, last) and returns how many.
template <host_executor E, storage_scalar T, class List>
void channel_product(E& exec, const grouped_weight<T>& w, const List& list, float* y) {
  const kernel_table<T>& kernels = kernels_for<T>(isa_of(exec));
  const summation_parts parts = summation_of(w.shape.inputs);
  // Threads beyond the number of parts cut the rows, into runs that are still long.
  const std::size_t runs =
      std::clamp<std::size_t>(exec.concurrency() / parts.count, 1, (w.groups() + 63) / 64);
  const std::size_t splits = std::min(parts.count, (exec.concurrency() + runs - 1) / runs);
  const std::size_t tasks = runs * splits;
  const std::size_t padded = w.groups() * group_outputs;
  const std::size_t capacity = w.shape.inputs + compaction_slack;

  scratch_layout layout;
  const std::size_t sums_at = layout.reserve<float>(parts.count * padded);
  const std::size_t index_at = layout.reserve<std::uint32_t>(tasks * capacity);
  const std::size_t value_at = layout.reserve<float>(tasks * capacity);
  std::byte* const scratch = exec.scratch(layout.bytes());
  float* const sums = at<float>(scratch, sums_at);

  exec.parallel_for(tasks, [&](std::size_t task) {
    std::uint32_t* const index = at<std::uint32_t>(scratch, index_at) + task * capacity;
    float* const value = at<float>(scratch, value_at) + task * capacity;
    const group_range groups = share(w.groups(), task % runs, runs);
    const group_range mine = share(parts.count, task / runs, splits);
    // All of the task's parts are listed first, so that prefetching runs on across their borders.
    std::size_t counts[8];
    std::size_t total = 0;
    for (std::size_t p = mine.first; p < mine.last; ++p)
      total += counts[p] = list(parts.begin(p), parts.end(p), index + total, value + total);
    std::size_t done = 0;
    for (std::size_t p = mine.first; p < mine.last; ++p) {
      kernels.channel_gemv(w, groups, {index + done, value + done, counts[p]}, total - done,
                           sums + p * padded + groups.first * group_outputs);
      done += counts[p];
    }
  });

  // Adding the parts pays a second fork only when there is enough of it.
  constexpr std::size_t serial_floats = 16384;
  const std::size_t adders = parts.count * padded > serial_floats ? exec.concurrency() : 1;
  exec.parallel_for(adders, [&](std::size_t t) {
    const group_range o = share(w.groups(), t, adders);
    const std::size_t first = o.first * group_outputs;
    const std::size_t last = std::min(o.last * group_outputs, w.shape.outputs);
    if (first < last) kernels.add_parts(sums + first, padded, parts.count, last - first, y + first);
  });
}

// Runs body(X') with what s leaves of X: X itself when s keeps everything, else a masked copy.
template <host_executor E, pointwise_sparsifier S, class Body>
void with_masked(E& exec, const S& s, matrix_view<const float> x, std::size_t extra_floats,
                 const Body& body) {
  scratch_layout layout;
  const std::size_t extra_at = layout.reserve<float>(extra_floats);
  if constexpr (std::is_same_v<S, keep_all>) {
    std::byte* const scratch = exec.scratch(layout.bytes());
    body(x, at<float>(scratch, extra_at));
  } else {
    const std::size_t masked_at = layout.reserve<float>(x.rows() * x.cols());
    std::byte* const scratch = exec.scratch(layout.bytes());
    float* const masked = at<float>(scratch, masked_at);
    exec.parallel_for(x.rows(), [&](std::size_t r) { mask(s, x.row(r), masked + r * x.cols()); });
    body(matrix_view<const float>(masked, x.rows(), x.cols()), at<float>(scratch, extra_at));
  }
}

template <host_executor E, storage_scalar T, pointwise_sparsifier S>
void batch_product(E& exec, const grouped_weight<T>& w, const S& s, matrix_view<const float> x,
                   matrix_view<float> y) {
  const kernel_table<T>& kernels = kernels_for<T>(isa_of(exec));
  const std::size_t tasks = std::min<std::size_t>(w.groups(), exec.concurrency());
  const std::size_t per_task = (gemm_scratch(w.shape.inputs, x.rows()) + 15) / 16 * 16;
  with_masked(exec, s, x, tasks * per_task, [&](matrix_view<const float> kept, float* scratch) {
    exec.parallel_for(tasks, [&](std::size_t t) {
      kernels.gemm(w, share(w.groups(), t, tasks), kept, y, scratch + t * per_task);
    });
  });
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// channel_major: skips.
template <host_executor E, class V, pointwise_sparsifier S>
requires std::same_as<typename V::format, channel_major<typename V::value_type>>
void run_multiply(E& exec, const V& w, const S& s, vector_view<const float> x,
                  vector_view<float> y) {
  const auto& kernels = cpu::kernels_for<typename V::value_type>(cpu::isa_of(exec));
  const auto list = [&](std::size_t first, std::size_t last, std::uint32_t* index, float* value) {
    return cpu::compact(kernels, s, x.data(), first, last, index, value);
  };
  cpu::channel_product<E, typename V::value_type>(exec, w, list, y.data());
}

template <host_executor E, class V>
requires std::same_as<typename V::format, channel_major<typename V::value_type>>
void run_multiply(E& exec, const V& w, active_view active, vector_view<float> y) {
  const auto list = [&](std::size_t first, std::size_t last, std::uint32_t* index, float* value) {
    const std::uint32_t* const end = active.index + active.count;
    const std::uint32_t* const from =
        std::lower_bound(active.index, end, static_cast<std::uint32_t>(first));
    const std::uint32_t* const to = std::lower_bound(from, end, static_cast<std::uint32_t>(last));
    std::copy(from, to, index);
    std::copy(active.value + (from - active.index), active.value + (to - active.index), value);
    return static_cast<std::size_t>(to - from);
  };
  cpu::channel_product<E, typename V::value_type>(exec, w, list, y.data());
}

// panel: reads everything; what is not kept is multiplied as zero.
template <host_executor E, class V, pointwise_sparsifier S>
requires std::same_as<typename V::format, panel<typename V::value_type>>
void run_multiply(E& exec, const V& w, const S& s, vector_view<const float> x,
                  vector_view<float> y) {
  cpu::with_masked(exec, s, matrix_view<const float>(x.data(), 1, x.size()), 0,
                   [&](matrix_view<const float> kept, float*) {
                     cpu::dense_product<E, typename V::value_type>(exec, w, kept.data(), y.data());
                   });
}

template <host_executor E, class V>
requires std::same_as<typename V::format, panel<typename V::value_type>>
void run_multiply(E& exec, const V& w, active_view active, vector_view<float> y) {
  auto* const x = reinterpret_cast<float*>(exec.scratch(w.shape.inputs * sizeof(float)));
  cpu::scatter(active, w.shape.inputs, x);
  cpu::dense_product<E, typename V::value_type>(exec, w, x, y.data());
}

template <host_executor E, class V, pointwise_sparsifier S>
requires std::derived_from<V, grouped_weight<typename V::value_type>>
void run_multiply(E& exec, const V& w, const S& s, matrix_view<const float> x,
                  matrix_view<float> y) {
  cpu::batch_product<E, typename V::value_type>(exec, w, s, x, y);
}

// row_major: the same for one token and many.
template <host_executor E, class V, pointwise_sparsifier S>
requires std::same_as<typename V::format, row_major<typename V::value_type>>
void run_multiply(E& exec, const V& w, const S& s, matrix_view<const float> x,
                  matrix_view<float> y) {
  const auto& kernels = cpu::kernels_for<typename V::value_type>(cpu::isa_of(exec));
  const std::size_t tasks = std::min<std::size_t>(w.shape.outputs, exec.concurrency());
  cpu::with_masked(exec, s, x, 0, [&](matrix_view<const float> kept, float*) {
    exec.parallel_for(tasks, [&](std::size_t t) {
      const cpu::group_range rows = cpu::share(w.shape.outputs, t, tasks);
      kernels.row_dots(w.data, w.shape.inputs, rows.first, rows.last, kept, y);
    });
  });
}

template <host_executor E, class V, pointwise_sparsifier S>
requires std::same_as<typename V::format, row_major<typename V::value_type>>
void run_multiply(E& exec, const V& w, const S& s, vector_view<const float> x,
                  vector_view<float> y) {
  run_multiply(exec, w, s, matrix_view<const float>(x.data(), 1, x.size()),
               matrix_view<float>(y.data(), 1, y.size()));
}

template <host_executor E, class V>
requires std::same_as<typename V::format, row_major<typename V::value_type>>
void run_multiply(E& exec, const V& w, active_view active, vector_view<float> y) {
  auto* const x = reinterpret_cast<float*>(exec.scratch(w.shape.inputs * sizeof(float)));
  cpu::scatter(active, w.shape.inputs, x);
  run_multiply(exec, w, keep_all{}, matrix_view<const float>(x, 1, w.shape.inputs),
               matrix_view<float>(y.data(), 1, y.size()));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
