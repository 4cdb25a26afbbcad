// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations as callers have them: float, half or bfloat16, in ranges or views, of one token or a
// batch. Products compute in float; other types are widened before and rounded after, in the
// executor's own memory.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Views as they are, ranges of the host as views.
template <class T, class Space>
[[nodiscard]] vector_view<T, Space> as_view(vector_view<T, Space> v) noexcept {
  return v;
}
template <class T, class Space>
[[nodiscard]] matrix_view<T, Space> as_view(matrix_view<T, Space> v) noexcept {
  return v;
}
template <class R>
requires requires(R& r) {
  std::data(r);
  std::size(r);
}
[[nodiscard]] auto as_view(R& r) noexcept {
  return vector_view<std::remove_pointer_t<decltype(std::data(r))>>(std::data(r), std::size(r));
}

template <class X>
using view_of_activations = decltype(as_view(std::declval<X&>()));

// Whether activations are of a type that is not float.
template <class X>
concept narrow_activations = requires(X& x) {
  requires std::same_as<typename view_of_activations<X>::value_type, half> ||
               std::same_as<typename view_of_activations<X>::value_type, bfloat16>;
};

template <class T, class Space>
[[nodiscard]] std::size_t elements(vector_view<T, Space> v) noexcept {
  return v.size();
}
template <class T, class Space>
[[nodiscard]] std::size_t elements(matrix_view<T, Space> v) noexcept {
  return v.rows() * v.cols();
}

template <class T, class Space>
[[nodiscard]] std::size_t tokens_of(vector_view<T, Space>) noexcept {
  return 1;
}
template <class T, class Space>
[[nodiscard]] std::size_t tokens_of(matrix_view<T, Space> v) noexcept {
  return v.rows();
}

// A view of floats of the same shape, without gaps.
template <class T, class Space>
[[nodiscard]] vector_view<float, Space> floats_like(vector_view<T, Space> v, float* to) noexcept {
  return {to, v.size()};
}
template <class T, class Space>
[[nodiscard]] matrix_view<float, Space> floats_like(matrix_view<T, Space> v, float* to) noexcept {
  return {to, v.rows(), v.cols()};
}

// to = from, widened or rounded; a device's executor has its own.
template <host_executor E, class From, class To>
void convert(E&, vector_view<From> from, vector_view<To> to) noexcept {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = narrow<To>(widen(from[i]));
}
template <host_executor E, class From, class To>
void convert(E& exec, matrix_view<From> from, matrix_view<To> to) noexcept {
  for (std::size_t r = 0; r < to.rows(); ++r) convert(exec, from.row(r), to.row(r));
}

// Activations as floats in the executor's memory, behind its first `free_floats`: x widened when
// this is made, y rounded when round() says so; those that are floats stay where they are. Forced
// inline as multiply() is.
template <class E, class X, class Y>
class float_activations {
 public:
  SPARSELLM_INLINE float_activations(E& exec, X x, Y y, std::size_t free_floats)
      : exec_(exec),
        x_(x),
        y_(y),
        x_size_(narrow_activations<X> ? elements(x) : 0),
        held_(exec.activations(free_floats + x_size_ + y_size())),
        memory_(held_.data() + free_floats) {
    if constexpr (narrow_activations<X>) convert(exec_, x_, floats_like(x_, memory_));
  }
  [[nodiscard]] SPARSELLM_INLINE auto x() const noexcept {
    if constexpr (narrow_activations<X>)
      return floats_like(x_, memory_);
    else
      return x_;
  }
  [[nodiscard]] SPARSELLM_INLINE auto y() const noexcept {
    if constexpr (narrow_activations<Y>)
      return floats_like(y_, memory_ + x_size_);
    else
      return y_;
  }
  SPARSELLM_INLINE void round() const {
    if constexpr (narrow_activations<Y>) convert(exec_, y(), y_);
  }

 private:
  [[nodiscard]] SPARSELLM_INLINE std::size_t y_size() const noexcept {
    return narrow_activations<Y> ? elements(y_) : 0;
  }
  E& exec_;
  X x_;
  Y y_;
  std::size_t x_size_;
  decltype(std::declval<E&>().activations(std::size_t{})) held_;
  float* memory_;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
