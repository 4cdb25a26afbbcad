// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// X with zeros where a section skips, for products that read every channel.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/products/tasks.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Whether X itself can be used: every channel is kept and it stands there.
[[nodiscard]] inline bool x_stands(const cover& sections, const token_inputs& x) noexcept {
  return sections.keeps_all() && x.first.listed.index == nullptr && x.first.dense.gain == nullptr;
}

// body(kept, extra): kept(s) is section s's input [tokens, inputs], extra is extra_floats of
// scratch. X itself is used where it can be.
template <class Body>
void with_zeroed(const executor_ref& exec, const cover& sections, const token_inputs& x,
                 std::size_t tokens, std::size_t inputs, std::size_t extra_floats,
                 const Body& body) {
  const bool as_it_is = x_stands(sections, x);
  scratch_layout layout;
  const std::size_t extra_at = layout.reserve<float>(extra_floats);
  const std::size_t kept_at =
      layout.reserve<float>(as_it_is ? 0 : sections.size() * tokens * inputs);
  std::byte* const scratch = exec.scratch(layout.bytes());
  float* const kept = at<float>(scratch, kept_at);
  if (!as_it_is)
    exec.parallel_for(tokens, [&](std::size_t t) {
      for (std::size_t s = 0; s < sections.size(); ++s)
        sections.zero(s, x[t], 0, inputs, kept + (s * tokens + t) * inputs);
    });
  const std::size_t stride = tokens == 1 ? inputs : x.stride;
  body(
      [&](std::size_t s) {
        return as_it_is ? matrix_view<const float>(x.first.dense.x, tokens, inputs, stride)
                        : matrix_view<const float>(kept + s * tokens * inputs, tokens, inputs);
      },
      at<float>(scratch, extra_at));
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
