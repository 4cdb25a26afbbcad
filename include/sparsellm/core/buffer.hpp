// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Owning, aligned, move-only host memory. Elements start uninitialised, so that a gigabyte of
// weights is not zeroed before it is filled. Large buffers ask the system for huge
// pages: skipping jumps from page to page, and 4 KiB pages cost it 3 to 5 %. The type is the same
// whatever flags a file is built with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#if SPARSELLM_HAS_MADVISE
#include <sys/mman.h>
#endif

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// One AVX-512 vector, one cache line.
inline constexpr std::size_t buffer_alignment = 64;
// A huge page of x86-64 and of Armv8 with 4 KiB granules; buffers of two and more are aligned to
// it.
inline constexpr std::size_t huge_page = std::size_t{2} << 20;

// Owns `size` elements, aligned to 64 bytes; moves, and copies by clone() alone.
template <class T>
requires std::is_trivially_copyable_v<T>
class buffer {
 public:
  using value_type = T;

  buffer() noexcept = default;

  // size in elements. Throws shape_error when the size in bytes does not fit, and whatever
  // operator new throws.
  explicit buffer(std::size_t size) : size_(size) {
    require<shape_error>(size <= ((static_cast<std::size_t>(-1) >> 1) - huge_page) / sizeof(T),
                         "buffer: ", size, " elements of ", sizeof(T),
                         " bytes do not fit the address space");
    if (size == 0) return;
    // Aligned by hand: glibc before 2.38 does not reuse what its aligned allocations free (its bug
    // 14581), and a program that makes and drops buffers would grow without end.
    allocation_ = ::operator new(size * sizeof(T) + alignment());
    const std::size_t past = reinterpret_cast<std::uintptr_t>(allocation_) % alignment();
    data_ = reinterpret_cast<T*>(static_cast<std::byte*>(allocation_) +
                                 (past == 0 ? 0 : alignment() - past));
#if SPARSELLM_HAS_MADVISE
    // Advice: where it is not taken, nothing but speed is lost.
    if (alignment() == huge_page)
      (void)::madvise(static_cast<void*>(data_), size * sizeof(T) / huge_page * huge_page,
                      MADV_HUGEPAGE);
#endif
  }
  // Every element set to `fill`. Throws as the other.
  buffer(std::size_t size, T fill) : buffer(size) {
    for (T& element : *this) element = fill;
  }
  buffer(buffer&& other) noexcept
      : allocation_(std::exchange(other.allocation_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  buffer& operator=(buffer&& other) noexcept {
    std::swap(allocation_, other.allocation_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  buffer(const buffer&) = delete;
  buffer& operator=(const buffer&) = delete;
  ~buffer() { ::operator delete(allocation_); }

  // A copy, which is never made without being asked for. Throws as the constructor.
  [[nodiscard]] buffer clone() const {
    buffer copy(size_);
    for (std::size_t i = 0; i < size_; ++i) copy.data_[i] = data_[i];
    return copy;
  }

  // All `size` elements.
  [[nodiscard]] T* data() noexcept { return data_; }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T* begin() noexcept { return data_; }
  [[nodiscard]] T* end() noexcept { return data_ + size_; }
  [[nodiscard]] const T* begin() const noexcept { return data_; }
  [[nodiscard]] const T* end() const noexcept { return data_ + size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return data_[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  [[nodiscard]] std::size_t alignment() const noexcept {
    return size_ * sizeof(T) >= 2 * huge_page ? huge_page : buffer_alignment;
  }

  void* allocation_ = nullptr;  // what was allocated; data_ lies in it
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
