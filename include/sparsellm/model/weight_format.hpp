// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A format as a value, and the list of formats that engines may choose from when they run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/pack/super_blocks.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0 {

// pattern: of n_of_m and channel_bitmap, {0, 0} of others.
struct weight_format {
  element_kind element = element_kind::f32;
  layout_kind layout = layout_kind::panel;
  nm_pattern pattern{0, 0};
  friend constexpr bool operator==(const weight_format&, const weight_format&) = default;
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

template <class... F>
struct format_list {};

template <class... A>
struct joined;
template <class... F>
struct joined<format_list<F...>> {
  using type = format_list<F...>;
};
template <class... F, class... G, class... Rest>
struct joined<format_list<F...>, format_list<G...>, Rest...>
    : joined<format_list<F..., G...>, Rest...> {};

template <template <class> class Layout, class... T>
using dense_formats = format_list<Layout<T>...>;
template <template <class, std::size_t, std::size_t> class Layout, std::size_t N, std::size_t M>
using pruned_formats = format_list<Layout<float, N, M>, Layout<half, N, M>, Layout<bfloat16, N, M>,
                                   Layout<std::int8_t, N, M>>;

// Every layout of every element that makes sense there; N:M in the patterns that are compiled.
using any_formats =
    typename joined<dense_formats<panel, float, half, bfloat16, q8_0, q4_0, q4_1, q5_0, q5_1,
                                  iq4_nl, q4_k, q5_k, q6_k>,
                    dense_formats<channel_major, float, half, bfloat16, q8_0, q4_0, q4_1, q5_0,
                                  q5_1, iq4_nl, q4_k, q5_k, q6_k>,
                    dense_formats<row_major, float, half, bfloat16>, pruned_formats<n_of_m, 2, 4>,
                    pruned_formats<n_of_m, 4, 8>, pruned_formats<channel_bitmap, 2, 4>,
                    pruned_formats<channel_bitmap, 4, 8>>::type;

// What F is as a value.
template <packed_format F>
[[nodiscard]] constexpr weight_format value_of() noexcept {
  if constexpr (is_pruned(F::layout))
    return {kind_of<typename F::element>(), F::layout, F::pattern};
  else
    return {kind_of<typename F::element>(), F::layout, {0, 0}};
}

// "q4_1 as channel_major", "bf16 as n_of_m 2:4": for messages.
[[nodiscard]] inline std::string describe(weight_format f) {
  std::string text(name(f.element));
  text.append(" as ").append(name(f.layout));
  if (f.pattern.m != 0) {
    text.append(" ").append(std::to_string(f.pattern.n));
    text.append(":").append(std::to_string(f.pattern.m));
  }
  return text;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
