// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Kinds of arguments, told apart by their types: host memory, and lists of channels.
#pragma once

#include <concepts>
#include <span>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/sparsify/active_set.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// A range or a view that is not of another space, or a pointer.
template <class R>
concept host_memory =
    std::is_pointer_v<std::decay_t<R>> ||
    (requires(R& r) { std::data(r); } && !requires { typename std::remove_cvref_t<R>::space; }) ||
    (requires { typename std::remove_cvref_t<R>::value_type; } &&
     requires { requires std::same_as<typename std::remove_cvref_t<R>::space, host_space>; });

template <class A>
inline constexpr bool is_active_type = false;
template <class Space>
inline constexpr bool is_active_type<active_view<Space>> = true;
template <class Space>
inline constexpr bool is_active_type<active_set<Space>> = true;
template <class A>
inline constexpr bool is_active = is_active_type<std::remove_cvref_t<A>>;

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
