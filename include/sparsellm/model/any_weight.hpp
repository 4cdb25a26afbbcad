// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A packed weight whose format, a layout of elements, is chosen at run time.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/memory.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/multiply_gated.hpp"
#include "sparsellm/cpu/multiply_rows.hpp"
#include "sparsellm/cpu/multiply_slice.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/run_multiply.hpp"
#include "sparsellm/model/any_format.hpp"
#include "sparsellm/model/weight_format.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"
#include "sparsellm/sparsify/active_set.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// A callable behind a pointer without its type, and back: an object, or a function itself.
template <class Fill>
[[nodiscard]] const void* forget(const Fill& fill) noexcept {
  if constexpr (std::is_function_v<Fill>)
    return reinterpret_cast<const void*>(&fill);
  else
    return &fill;
}
template <class Fill>
[[nodiscard]] const Fill& recall(const void* body) noexcept {
  if constexpr (std::is_function_v<Fill>)
    return *reinterpret_cast<Fill*>(const_cast<void*>(body));
  else
    return *static_cast<const Fill*>(body);
}

// A function that gives a row's GGUF blocks.
template <class Fill>
concept gguf_rows = std::is_invocable_r_v<vector_view<const std::byte>, const Fill&, std::size_t>;

// The rows that `fill` makes: floats, levels or both, or GGUF's blocks.
template <class Fill>
[[nodiscard]] row_source source_of(const Fill& fill) noexcept {
  row_source rows{forget(fill), nullptr, nullptr, nullptr};
  if constexpr (std::invocable<const Fill&, std::size_t, vector_view<float>>)
    rows.floats = [](const void* body, std::size_t r, float* out, std::size_t inputs) {
      recall<Fill>(body)(r, vector_view<float>(out, inputs));
    };
  if constexpr (std::invocable<const Fill&, std::size_t, quantized_row&>)
    rows.levels = [](const void* body, std::size_t r, std::uint8_t* level, std::size_t inputs,
                     half* scale, half* minimum, std::size_t blocks) {
      quantized_row row{std::vector<std::uint8_t>(inputs), std::vector<half>(blocks),
                        std::vector<half>(blocks)};
      recall<Fill>(body)(r, row);
      std::copy(row.level.begin(), row.level.end(), level);
      std::copy(row.scale.begin(), row.scale.end(), scale);
      std::copy(row.minimum.begin(), row.minimum.end(), minimum);
    };
  if constexpr (gguf_rows<Fill>)
    rows.blocks = [](const void* body, std::size_t r) {
      return vector_view<const std::byte>(recall<Fill>(body)(r));
    };
  return rows;
}

template <class Space>
struct any_view {
  using space = Space;
  const any_format* functions;
  const std::byte* storage;
  extents shape;
};
template <class Space>
inline constexpr bool is_runtime_view<any_view<Space>> = true;

inline void product(const executor_ref& exec, const any_view<host_space>& w, const selection& s,
                    const token_inputs& x, std::size_t tokens, matrix_view<float> y) {
  w.functions->product(exec, w.storage, w.shape, s, x, tokens, y);
}

// Throws value_error, naming the format, when it is not in the list.
template <class = void>
[[nodiscard]] const any_format& format_for(weight_format f) {
  require<value_error>(
      !is_pruned(f.layout) || f.pattern == nm_pattern{2, 4} || f.pattern == nm_pattern{4, 8},
      "any_weight: the patterns 2:4 and 4:8 are compiled, got ", f.pattern.n, ":", f.pattern.m);
  require<value_error>(f.layout != layout_kind::row_major || !is_quantized(f.element),
                       "any_weight: quantised weights are packed as panel or channel_major");
  const any_format* const found = find_format<>(f);
  require<value_error>(found != nullptr, "any_weight: no weights of ", describe(f),
                       "; N:M weights are f32, f16, bf16 or i8, others f32, f16, bf16, q8_0, "
                       "q4_0, q4_1, q5_0, q5_1, iq4_nl, q4_k, q5_k or q6_k");
  return *found;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A packed weight W [outputs, inputs] of a format in the list of model/weight_format.hpp. Owns its
// bytes in the memory of a space; any_weight is the host's. Moves, does not copy.
template <class Space>
class basic_any_weight {
 public:
  using space = Space;

  // Takes over bytes that are laid out as the format says. Throws value_error for a format that is
  // not in the list, shape_error for zero sizes and for too few bytes.
  basic_any_weight(weight_format format, extents shape, memory<std::byte, Space> storage)
      : format_(&detail::format_for<>(format)), shape_(shape), storage_(std::move(storage)) {
    check_shape(shape);
    require<shape_error>(storage_.size() >= format_->bytes(shape),
                         "any_weight: ", detail::describe(format), " of ", shape.outputs, "x",
                         shape.inputs, " needs ", format_->bytes(shape), " bytes, got ",
                         storage_.size());
  }

  // fill(r, out [inputs]) makes row r, as pack() describes, and quantised elements round it to the
  // nearest levels; fill(r, quantized_row&) gives levels that are kept bit for bit. Throws as
  // pack() and pack_levels() do, and value_error for a quantised row_major, which there is not.
  // Allocates the weight, and each thread as many rows as pack() does. Returns when it is packed.
  template <host_executor E, class Fill>
  basic_any_weight(E& exec, element_kind element, layout_kind layout, extents shape,
                   const Fill& fill)
  requires(std::same_as<Space, host_space> &&
           (std::invocable<const Fill&, std::size_t, vector_view<float>> ||
            std::invocable<const Fill&, std::size_t, quantized_row&>))
      : basic_any_weight(packable(element, layout), shape) {
    const detail::row_source rows = detail::source_of(fill);
    const bool levels = rows.levels != nullptr && format_->pack_levels != nullptr;
    require<value_error>(levels || rows.floats != nullptr,
                         "any_weight: rows of levels cannot be stored as ", name(element));
    (levels ? format_->pack_levels : format_->pack_floats)(detail::ref(exec), shape,
                                                           storage_.data(), rows);
  }

  // blocks_of(r): the bytes of row r as GGUF has them, so that a weight may be of several tensors,
  // one below the other. As the constructor from all bytes does otherwise.
  template <host_executor E, detail::gguf_rows Fill>
  basic_any_weight(E& exec, element_kind element, layout_kind layout, extents shape,
                   const Fill& blocks_of)
  requires std::same_as<Space, host_space>
      : basic_any_weight(packable(element, layout), shape) {
    format_->pack_block_rows(detail::ref(exec), shape, storage_.data(),
                             detail::source_of(blocks_of));
  }

  // From the bytes of a GGUF tensor of the element's type, as pack() takes them: numbers, or blocks
  // of a quantised element. Throws as that does, and value_error for i8, which GGUF has not.
  template <host_executor E>
  basic_any_weight(E& exec, element_kind element, layout_kind layout, extents shape,
                   vector_view<const std::byte> blocks)
  requires std::same_as<Space, host_space>
      : basic_any_weight(packable(element, layout), shape) {
    format_->pack_blocks(detail::ref(exec), shape, storage_.data(), blocks);
  }

  // An N:M weight of the patterns that are compiled: 2:4 and 4:8. layout: n_of_m or
  // channel_bitmap; element: f32, f16, bf16 or i8. Throws as pack_masked() does, and value_error
  // for other layouts, elements and patterns.
  template <host_executor E, class Fill>
  basic_any_weight(E& exec, element_kind element, layout_kind layout, extents shape,
                   const Fill& fill, const weight_mask& mask, nm_pattern pattern)
  requires(std::same_as<Space, host_space> &&
           std::invocable<const Fill&, std::size_t, vector_view<float>>)
      : basic_any_weight(maskable(element, layout, pattern), shape) {
    require<shape_error>(mask.shape() == shape, "any_weight: a mask of ", shape.outputs, "x",
                         shape.inputs, " expected, got ", mask.shape().outputs, "x",
                         mask.shape().inputs);
    format_->pack_masked(detail::ref(exec), shape, storage_.data(), detail::source_of(fill),
                         {mask.row(0), mask.row_words()});
  }

  // What it was made as, and its outputs and inputs.
  [[nodiscard]] weight_format format() const noexcept { return format_->format; }
  [[nodiscard]] element_kind element() const noexcept { return format_->format.element; }
  [[nodiscard]] layout_kind layout() const noexcept { return format_->format.layout; }
  [[nodiscard]] extents shape() const noexcept { return shape_; }
  // How many bytes the weight is, without its slack.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return format_->bytes(shape_) - format_->slack_bytes;
  }
  // All bytes, the slack included.
  [[nodiscard]] vector_view<const std::byte, Space> storage_view() const noexcept {
    return {storage_.data(), storage_.size()};
  }
  // What products take; borrows the weight.
  [[nodiscard]] detail::any_view<Space> view() const noexcept {
    return {format_, storage_.data(), shape_};
  }

 private:
  basic_any_weight(const detail::any_format& format, extents shape)
      : format_(&format), shape_(shape), storage_(checked_bytes(format, shape)) {}

  static void check_shape(extents shape) {
    require<shape_error>(shape.outputs != 0 && shape.inputs != 0,
                         "pack: a weight needs at least 1 output and 1 input, got ", shape.outputs,
                         "x", shape.inputs);
  }
  [[nodiscard]] static std::size_t checked_bytes(const detail::any_format& f, extents shape) {
    check_shape(shape);
    return f.bytes(shape);
  }
  [[nodiscard]] static const detail::any_format& packable(element_kind e, layout_kind l) {
    require<value_error>(!is_pruned(l) && e != element_kind::i8,
                         "any_weight: N:M layouts and i8 need a mask");
    return detail::format_for<>({e, l, {0, 0}});
  }
  [[nodiscard]] static const detail::any_format& maskable(element_kind e, layout_kind l,
                                                          nm_pattern p) {
    require<value_error>(is_pruned(l),
                         "any_weight: a mask goes with the layouts n_of_m and channel_bitmap");
    return detail::format_for<>({e, l, p});
  }

  const detail::any_format* format_;
  extents shape_;
  memory<std::byte, Space> storage_;
};

// The host's.
using any_weight = basic_any_weight<host_space>;

// out [inputs]: of row r, of each number what was stored. Throws shape_error for another size or a
// row that is not there.
inline void unpack_row(const any_weight& w, std::size_t r, vector_view<float> out) {
  require<shape_error>(r < w.shape().outputs && out.size() == w.shape().inputs, "unpack_row: W is ",
                       w.shape().outputs, "x", w.shape().inputs, ", row ", r, " and ", out.size(),
                       " channels were asked for");
  w.view().functions->unpack_row(w.storage_view().data(), w.shape(), r, out.data());
}

// out [outputs, inputs]. Throws shape_error for another shape.
inline void unpack(const any_weight& w, matrix_view<float> out) {
  require<shape_error>(out.rows() == w.shape().outputs && out.cols() == w.shape().inputs,
                       "unpack: ", w.shape().outputs, "x", w.shape().inputs, " expected, got ",
                       out.rows(), "x", out.cols());
  for (std::size_t r = 0; r < out.rows(); ++r) unpack_row(w, r, out.row(r));
}

// multiply(), multiply_gated() and multiply_slice() take, throw and allocate what they do for
// weights whose format is known when they are compiled, and give the same bits.
template <host_executor E, class... Rest>
void multiply(E& exec, const any_weight& w, Rest&&... rest) {
  multiply(exec, w.view(), std::forward<Rest>(rest)...);
}
template <host_executor E, class... Rest>
void multiply_gated(E& exec, const any_weight& w, Rest&&... rest) {
  multiply_gated(exec, w.view(), std::forward<Rest>(rest)...);
}
template <host_executor E, class... Rest>
void multiply_slice(E& exec, const any_weight& w, output_range slice, Rest&&... rest) {
  multiply_slice(exec, w.view(), slice, std::forward<Rest>(rest)...);
}
// As multiply_rows() of a list of rows: y [outputs], x [inputs]. Throws value_error for layouts
// other than row_major.
template <host_executor E>
void multiply_rows(E& exec, const any_weight& w, active_view<> rows, vector_view<const float> x,
                   vector_view<float> y) {
  const detail::any_view<host_space> v = w.view();
  require<value_error>(v.functions->rows != nullptr,
                       "multiply_rows: a row_major weight expected, got ",
                       detail::describe(w.format()));
  detail::check_rows(v.shape, rows, x, y);
  v.functions->rows(detail::ref(exec), v.storage, v.shape,
                    vector_view<const std::uint32_t>(rows.index, rows.count), x, y);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
