// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Non-owning views. A view knows its shape and the memory it points into; passing device memory
// to the CPU is a type error. Rank two, row-major, one stride is all that kernels take.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm::inline v0 {

// Where memory lives.
struct host_space {};
struct device_space {};

// The size of a weight: y [outputs] = W [outputs, inputs] x [inputs].
struct extents {
  std::size_t outputs = 0;
  std::size_t inputs = 0;
  friend constexpr bool operator==(const extents&, const extents&) = default;
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::detail {

// Elements of T one after the other: what std::data() and std::size() take. Not std::ranges', whose
// header is among the heaviest, and every file that includes the library would read it.
template <class R, class T>
concept contiguous_range_of = requires(R& range) {
  { std::size(range) } -> std::convertible_to<std::size_t>;
  requires std::convertible_to<std::remove_pointer_t<decltype(std::data(range))>(*)[], T(*)[]>;
};

}  // namespace sparsellm::inline v0::detail

namespace sparsellm::inline v0 {

// x [size]
template <class T, class Space = host_space>
class vector_view {
 public:
  using value_type = std::remove_cv_t<T>;
  using space = Space;

  SPARSELLM_INLINE constexpr vector_view() noexcept = default;
  // `size` elements from `data` on.
  SPARSELLM_HD SPARSELLM_INLINE constexpr vector_view(T* data, std::size_t size) noexcept
      : data_(data), size_(size) {}

  // From any contiguous range of the element type: std::vector, std::span, buffer, array.
  template <detail::contiguous_range_of<T> R>
  requires(std::same_as<Space, host_space> && !requires { typename std::remove_cvref_t<R>::space; })
  SPARSELLM_INLINE constexpr vector_view(R&& range) noexcept  // NOLINT: conversion is the point
      : data_(std::data(range)), size_(std::size(range)) {}

  // From a view of mutable elements to one of const elements.
  template <class U>
  requires(std::is_const_v<T> && std::same_as<const U, T>)
  SPARSELLM_INLINE constexpr vector_view(vector_view<U, Space> other) noexcept  // NOLINT: as above
      : data_(other.data()), size_(other.size()) {}

  // The first of `size` elements, null when there are none.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr T* data() const noexcept { return data_; }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t size() const noexcept {
    return size_;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr bool empty() const noexcept {
    return size_ == 0;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr T* begin() const noexcept { return data_; }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr T* end() const noexcept {
    return data_ + size_;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr T& operator[](
      std::size_t i) const noexcept {
    return data_[i];
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

// What a rank-two std::mdspan, cuda::std::mdspan or Kokkos mdspan has in common.
template <class M>
concept mdspan_like = requires(const M& m) {
  { m.data_handle() };
  { m.extent(0) } -> std::convertible_to<std::size_t>;
  { m.stride(0) } -> std::convertible_to<std::size_t>;
  requires M::rank() == 2;
};

// m [rows, cols], row r at data + r · stride, stride >= cols
template <class T, class Space = host_space>
class matrix_view {
 public:
  using value_type = std::remove_cv_t<T>;
  using space = Space;

  SPARSELLM_INLINE constexpr matrix_view() noexcept = default;
  // Rows one after the other, without gaps.
  SPARSELLM_HD SPARSELLM_INLINE constexpr matrix_view(T* data, std::size_t rows,
                                                      std::size_t cols) noexcept
      : data_(data), rows_(rows), cols_(cols), stride_(cols) {}
  // Throws shape_error when rows would overlap.
  SPARSELLM_INLINE constexpr matrix_view(T* data, std::size_t rows, std::size_t cols,
                                         std::size_t stride)
      : data_(data), rows_(rows), cols_(cols), stride_(stride) {
    require<shape_error>(stride >= cols, "matrix_view: the stride must be at least the ", cols,
                         " columns, got ", stride);
  }
  // Throws shape_error when columns are not contiguous.
  template <mdspan_like M>
  requires(std::same_as<Space, host_space> &&
           std::convertible_to<decltype(std::declval<const M&>().data_handle()),
                               T*>)
  constexpr matrix_view(const M& m)  // NOLINT: conversion is the point
      : matrix_view(m.data_handle(), m.extent(0), m.extent(1), m.stride(0)) {
    require<shape_error>(m.stride(1) == 1, "matrix_view: columns must be contiguous, got stride ",
                         m.stride(1));
  }
  template <class U>
  requires(std::is_const_v<T> && std::same_as<const U, T>)
  SPARSELLM_INLINE constexpr matrix_view(matrix_view<U, Space> other) noexcept  // NOLINT: as above
      : data_(other.data()), rows_(other.rows()), cols_(other.cols()), stride_(other.stride()) {}

  // The first element; rows, columns, and elements from a row to the next.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr T* data() const noexcept { return data_; }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t rows() const noexcept {
    return rows_;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t cols() const noexcept {
    return cols_;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t stride() const noexcept {
    return stride_;
  }
  // [cols]
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr vector_view<T, Space> row(
      std::size_t r) const noexcept {
    return {data_ + r * stride_, cols_};
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr T& operator()(
      std::size_t r, std::size_t c) const noexcept {
    return data_[r * stride_ + c];
  }

 private:
  T* data_ = nullptr;
  std::size_t rows_ = 0, cols_ = 0, stride_ = 0;
};

static_assert(std::is_trivially_copyable_v<vector_view<float>>);
static_assert(std::is_trivially_copyable_v<matrix_view<float, device_space>>);

}  // namespace sparsellm::inline v0
