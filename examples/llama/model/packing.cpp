// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "model/packing.hpp"

#include <algorithm>

#include "files/dequantize.hpp"
#include "files/finite.hpp"
#include "files/levels.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/pack/choose.hpp"

namespace llama {

using sparsellm::any_weight;
using sparsellm::buffer;
using sparsellm::element_kind;
using sparsellm::layout_kind;
using sparsellm::sparse_linear;
using sparsellm::vector_view;

namespace {

// The pattern that a mask follows, of those that weights are packed in.
std::optional<sparsellm::nm_pattern> pattern_of(const sparsellm::weight_mask& mask) {
  for (const sparsellm::nm_pattern p : {sparsellm::nm_pattern{2, 4}, sparsellm::nm_pattern{4, 8}})
    if (mask.follows(p)) return p;
  return std::nullopt;
}

}  // namespace

void placed_tensor::read(std::size_t r, vector_view<float> out) const {
  const std::size_t from = rows->size() != 0 ? (*rows)[r] : r;
  if (columns->size() == 0) return dequantize_row(*t, from, out);
  buffer<float> row(t->cols);
  dequantize_row(*t, from, row);
  columns->gather(vector_view<const float>(row), out);
}

void placed_tensor::read_mask(std::size_t r, std::size_t to, sparsellm::weight_mask& mask) const {
  const std::size_t stored = t->stored_row(rows->size() != 0 ? (*rows)[r] : r);
  for (std::size_t c = 0; c < t->cols; ++c)
    if (keeps(*t, stored, columns->size() != 0 ? (*columns)[c] : c)) mask.keep(to, c);
}

// Elsewhere pruned weights are dense ones with zeros.
bool weight_packer::packs_masks(tensor_type type, chosen_layout where) const {
  const element_kind stored = wanted_.value_or(storage_of(type));
  return (!sparsellm::is_quantized(stored) || stored == element_kind::i8) &&
         where.dense != layout_kind::row_major;
}

// Nothing for a tensor that is packed as a dense one.
std::optional<sparsellm::nm_pattern> weight_packer::packed_pattern(const placed_tensor& p,
                                                                   chosen_layout where) const {
  if (p.t->mask == nullptr || !packs_masks(p.t->type, where)) return std::nullopt;
  sparsellm::weight_mask mask({p.t->rows, p.t->cols});
  exec_.parallel_for(p.t->rows, [&](std::size_t r) { p.read_mask(r, r, mask); });
  return pattern_of(mask);
}

// The rows of tensors of one type, one tensor below the other.
class weight_packer::stacked_rows {
 public:
  explicit stacked_rows(const std::vector<placed_tensor>& tensors) : tensors_(tensors) {}

  [[nodiscard]] const std::vector<placed_tensor>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] tensor_type type() const noexcept { return tensors_.front().t->type; }
  [[nodiscard]] std::vector<std::size_t> outputs() const {
    std::vector<std::size_t> sizes;
    for (const placed_tensor& p : tensors_) sizes.push_back(p.t->rows);
    return sizes;
  }
  [[nodiscard]] sparsellm::extents shape() const {
    sparsellm::extents e{0, tensors_.front().t->cols};
    for (const placed_tensor& p : tensors_) e.outputs += p.t->rows;
    return e;
  }
  // The tensor that a row of the stack is in, and its row there.
  [[nodiscard]] std::pair<const placed_tensor*, std::size_t> locate(std::size_t row) const {
    std::size_t t = 0;
    for (; row >= tensors_[t].t->rows; ++t) row -= tensors_[t].t->rows;
    return {&tensors_[t], row};
  }
  void read(std::size_t row, vector_view<float> out) const {
    const auto [p, r] = locate(row);
    p->read(r, out);
  }

 private:
  const std::vector<placed_tensor>& tensors_;
};

// Nothing when the tensors are not pruned to a pattern that weights are packed in.
std::optional<any_weight> weight_packer::pack_pruned(const stacked_rows& rows,
                                                     chosen_layout where) const {
  const bool pruned = packs_masks(rows.type(), where) &&
                      std::all_of(rows.tensors().begin(), rows.tensors().end(),
                                  [](const placed_tensor& p) { return p.t->mask != nullptr; });
  if (!pruned) return std::nullopt;
  const sparsellm::extents shape = rows.shape();
  sparsellm::weight_mask mask(shape);
  exec_.parallel_for(shape.outputs, [&](std::size_t row) {
    const auto [p, r] = rows.locate(row);
    p->read_mask(r, row, mask);
  });
  const auto pattern = pattern_of(mask);
  if (!pattern.has_value()) return std::nullopt;
  const element_kind stored = wanted_.value_or(storage_of(rows.type()));
  return any_weight(
      exec_, stored, sparsellm::choose_layout(shape, stored, *pattern, where.sparsity, machine_),
      shape, [&](std::size_t row, vector_view<float> out) { rows.read(row, out); }, mask, *pattern);
}

any_weight weight_packer::pack_dense(const stacked_rows& rows, layout_kind where) const {
  element_kind stored = wanted_.value_or(storage_of(rows.type()));
  if (stored == element_kind::i8) stored = element_kind::q8_0;  // what dense weights of 8 bits are
  const auto all = [&](const auto& is_so) {
    return std::all_of(rows.tensors().begin(), rows.tensors().end(), is_so);
  };
  const auto in_order = [](const placed_tensor& p) {
    return p.rows->size() == 0 && p.columns->size() == 0;
  };
  // Channels of another order are packed number by number, which blocks have not.
  const bool as_it_is = !wanted_.has_value() &&
                        all([](const placed_tensor& p) { return keeps_rows(*p.t); }) &&
                        (sparsellm::is_quantized(stored) || all(in_order));
  if (!as_it_is)
    return any_weight(exec_, stored, where, rows.shape(),
                      [&](std::size_t row, vector_view<float> out) { rows.read(row, out); });
  for (const placed_tensor& p : rows.tensors())
    sparsellm::require<sparsellm::value_error>(
        in_order(p), "model: '", p.t->name,
        "' can be put in another order as floats, not as it is in the file");
  return any_weight(exec_, stored, where, rows.shape(), [&](std::size_t row) {
    const auto [p, r] = rows.locate(row);
    return row_bytes(*p->t, r);
  });
}

sparse_linear weight_packer::pack(const std::vector<placed_tensor>& tensors, chosen_layout where) {
  const stacked_rows rows(tensors);
  std::optional<any_weight> packed;
  try {
    packed = pack_pruned(rows, where);
    if (!packed.has_value()) packed = pack_dense(rows, where.dense);
  } catch (const sparsellm::value_error& e) {
    // Packing knows rows of the stack alone; the file's tensor is to be named.
    for (const placed_tensor& p : tensors) require_finite(source_.file(), *p.t);
    sparsellm::raise<sparsellm::value_error>(
        sparsellm::concat(e.what(), " (in the stack that '",
                          source_.file().name_in_file(tensors.front().t->name), "' begins)"));
  }
  for (const placed_tensor& p : tensors) source_.release(*p.t);
  return sparse_linear(std::move(*packed), rows.outputs());
}

std::vector<sparse_linear> weight_packer::pack_linears(const std::vector<placed_tensor>& tensors,
                                                       chosen_layout where) {
  std::vector<sparse_linear> linears;
  std::vector<std::optional<sparsellm::nm_pattern>> patterns(tensors.size());
  if (tensors.size() > 1)
    for (std::size_t i = 0; i < tensors.size(); ++i)
      patterns[i] = packed_pattern(tensors[i], where);
  for (std::size_t first = 0, last; first < tensors.size(); first = last) {
    for (last = first + 1; last < tensors.size(); ++last)
      if ((!wanted_.has_value() && tensors[last].t->type != tensors[first].t->type) ||
          patterns[last] != patterns[first])
        break;
    linears.push_back(pack({tensors.begin() + static_cast<std::ptrdiff_t>(first),
                            tensors.begin() + static_cast<std::ptrdiff_t>(last)},
                           where));
  }
  return linears;
}

}  // namespace llama
