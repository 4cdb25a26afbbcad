// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What runs the work and where its memory lives. Packing, calibrating and multiplying take one as
// their first argument; cpu/ and cuda/ ship models. An executor is used by one thread at a time,
// like a CUDA stream.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Semantics: allocate<T>(n) gives n uninitialised elements in E::space; wait() returns when all
// work given to the executor before the call is done.
template <class E>
concept executor = requires(E& exec, std::size_t n) {
  typename E::space;
  exec.template allocate<float>(n);
  exec.wait();
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::detail {
struct index_body {
  void operator()(std::size_t) const;
};
}  // namespace sparsellm::inline v0::detail

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Semantics: parallel_for(count, body) calls body(i) exactly once for every i in [0, count), in
// any order, on up to concurrency() threads, and returns when all calls have; an exception from
// body reaches the caller after that. scratch(bytes) and activations(n) are memory for one verb,
// each its own: aligned, grown on demand, their contents worthless at the next call.
template <class E>
concept host_executor = executor<E> && std::same_as<typename E::space, host_space> &&
                        requires(E& exec, std::size_t n, const detail::index_body& body) {
                          exec.parallel_for(n, body);
                          { exec.concurrency() } -> std::convertible_to<std::size_t>;
                          { exec.scratch(n) } -> std::same_as<std::byte*>;
                          { exec.activations(n) } -> std::same_as<vector_view<float>>;
                        };

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
