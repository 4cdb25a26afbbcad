// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The first half of a gated MLP in one pass: h = silu(gate · x) ∘ (up · x), and the channels of h
// that the down projection will read.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/channel_product.hpp"
#include "sparsellm/cpu/cover.hpp"
#include "sparsellm/cpu/foreach_target.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/cpu/selection.hpp"
#include "sparsellm/cpu/tasks.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// out [n] = silu(gate [n]) ∘ up [n]; out may be gate.
template <host_executor E>
void gate(E& exec, vector_view<const float> gate, vector_view<const float> up,
          vector_view<float> out) {
  const auto& kernels = kernels_for<float>(isa_of(exec));
  const std::size_t tasks = out.size() > 4096 ? exec.concurrency() : 1;
  exec.parallel_for(tasks, [&](std::size_t t) {
    const group_range r = share(out.size(), t, tasks);
    kernels.silu_mul(gate.data() + r.first, up.data() + r.first, r.last - r.first,
                     out.data() + r.first);
  });
}

// Whether one sparsifier may stand for both sections.
template <class S>
[[nodiscard]] bool same_sparsifier(const stacked<S>& s) noexcept {
  const S &a = s.sections[0].keep, &b = s.sections[s.count - 1].keep;
  if constexpr (std::is_same_v<S, teal>)
    return a.select.tau == b.select.tau;
  else if constexpr (std::is_same_v<S, sparsifier<column_scaled, above>>)
    return a.select.tau == b.select.tau && a.score.scale == b.score.scale;
  else
    return false;
}

// W [2 · hidden, inputs]: gate stacked on up, `s` with sections for them. both [2 · hidden] is
// scratch whose first half receives h; `live` receives what `next` keeps of it, ready for the down
// projection. x: a vector_view or `normalised`. Throws shape_error when sizes do not fit.
template <host_executor E, packed_view W, pointwise_sparsifier S, class X,
          pointwise_sparsifier Next>
void multiply_gated(E& exec, const W& w, const stacked<S>& s, const X& x, vector_view<float> both,
                    const Next& next, active_set& live) {
  const std::size_t hidden = w.shape.outputs / 2;
  require<shape_error>(w.shape.outputs % 2 == 0 && live.capacity() >= hidden,
                       "multiply_gated: W has ", w.shape.outputs,
                       " outputs, an even number expected, and the active set holds ",
                       live.capacity());
  const vector_view<float> h(both.data(), hidden);
  if constexpr (channel_view<W>) {
    checks::vector_shapes<E>(w, vector_view<const float>(x.data(), x.size()), both);
    checks::tiled(w, s);
    const cover<S> sections(s, group_outputs);
    const auto& kernels = kernels_for<typename W::value_type>(isa_of(exec));
    const auto list = [&](const S& keep, std::size_t first, std::size_t last, std::uint32_t* index,
                          float* value) {
      return compact(kernels, keep, x, first, last, index, value);
    };
    channel_product<E, typename W::value_type>(
        exec, w, sections, list, [&](E&, const auto&, const part_sums& sums, std::size_t) {
          const std::size_t tasks = adders(exec, sums);
          exec.parallel_for(tasks, [&](std::size_t t) {
            const group_range mine = share(hidden, t, tasks);
            constexpr std::size_t strip = 256;  // gate and up of a strip stay in L1
            std::array<float, strip> gates, ups;
            for (std::size_t o = mine.first; o < mine.last; o += strip) {
              const std::size_t end = std::min(o + strip, mine.last);
              const auto add = [&](std::size_t base, float* out) {
                sections.runs(base + o, base + end,
                              [&](std::size_t at_output, std::size_t n, std::size_t at) {
                                kernels.add_parts(sums.data + at, sums.stride, sums.parts, n,
                                                  out + (at_output - base - o));
                              });
              };
              add(0, gates.data());
              add(hidden, ups.data());
              kernels.silu_mul(gates.data(), ups.data(), end - o, h.data() + o);
            }
          });
        });
  } else {
    if (same_sparsifier(s))
      multiply(exec, w, s.sections[0].keep, x, both);
    else
      multiply(exec, w, s, x, both);
    gate(exec, h, vector_view<const float>(both.data() + hidden, hidden), h);
  }
  const auto& kernels = kernels_for<float>(isa_of(exec));
  live.resize(compact(kernels, next, vector_view<const float>(h), 0, hidden, live.index_storage(),
                      live.value_storage()));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
