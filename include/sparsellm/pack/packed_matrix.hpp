// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Packed weights in memory: packed_matrix owns its bytes, on the host or on a device, and view_of()
// looks at bytes that the caller owns, a mapped file's among them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/memory.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// How many bytes of memory a weight of this shape needs, its slack included. Throws shape_error for
// zero sizes. Allocates nothing.
template <packed_format F>
[[nodiscard]] std::size_t storage_bytes(extents shape) {
  require<shape_error>(shape.outputs != 0 && shape.inputs != 0,
                       "pack: a weight needs at least 1 output and 1 input, got ", shape.outputs,
                       "x", shape.inputs);
  return F::bytes(shape) + F::slack_bytes;
}

// A view of bytes that were packed as F and that the caller keeps, `Space` theirs. The bytes are
// borrowed. Throws shape_error for zero sizes and for fewer than storage_bytes<F>(shape),
// value_error for an address that is no multiple of packed_alignment.
template <packed_format F, class Space>
[[nodiscard]] typename F::template view<Space> view_of(vector_view<const std::byte, Space> bytes,
                                                       extents shape) {
  const std::size_t wanted = storage_bytes<F>(shape);
  require<shape_error>(bytes.size() >= wanted, "view_of: ", F::name, " of ", shape.outputs, "x",
                       shape.inputs, " needs ", wanted, " bytes (", F::slack_bytes,
                       " of them behind the last value, where kernels may read), got ",
                       bytes.size());
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  require<value_error>(address % packed_alignment == 0, "view_of: bytes aligned to ",
                       packed_alignment, " expected, got an address ", address % packed_alignment,
                       " past a multiple of it");
  return F::template make_view<Space>(bytes.data(), shape);
}

// W [outputs, inputs], packed, in the memory of a space.
template <packed_format F, class Space = host_space>
class packed_matrix {
 public:
  using format = F;
  using space = Space;

  // Uninitialised host memory; pack() fills it. Throws shape_error for zero sizes.
  explicit packed_matrix(extents shape)
  requires std::same_as<Space, host_space>
      : packed_matrix(shape, memory<std::byte, Space>(storage_bytes<F>(shape))) {}
  // Takes over bytes that are laid out as F says. Throws shape_error for zero sizes and for fewer
  // than storage_bytes<F>(shape).
  packed_matrix(extents shape, memory<std::byte, Space> storage)
      : shape_(shape), storage_(std::move(storage)) {
    require<shape_error>(storage_.size() >= storage_bytes<F>(shape), "packed_matrix: ", F::name,
                         " of ", shape.outputs, "x", shape.inputs, " needs ",
                         storage_bytes<F>(shape), " bytes, got ", storage_.size());
  }

  // Outputs and inputs.
  [[nodiscard]] extents shape() const noexcept { return shape_; }
  // How many bytes the weight is, without its slack.
  [[nodiscard]] std::size_t bytes() const noexcept { return F::bytes(shape_); }
  [[nodiscard]] typename F::template view<Space> view() const noexcept {
    return F::template make_view<Space>(storage_.data(), shape_);
  }
  [[nodiscard]] std::byte* storage() noexcept { return storage_.data(); }
  // All bytes, the slack included.
  [[nodiscard]] vector_view<const std::byte, Space> storage_view() const noexcept {
    return {storage_.data(), storage_.size()};
  }

 private:
  extents shape_;
  memory<std::byte, Space> storage_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
