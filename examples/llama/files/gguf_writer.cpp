// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Every tensor of the model in its order; projections through their masks.
#include "files/gguf_writer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <unordered_map>

#include "files/dequantize.hpp"
#include "files/family.hpp"
#include "files/finite.hpp"
#include "files/gguf_bytes.hpp"
#include "files/gguf_metadata.hpp"
#include "files/levels.hpp"
#include "files/stored_weight.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"

namespace llama {

using sparsellm::element_kind;
using sparsellm::format_error;
using sparsellm::half;
using sparsellm::narrow;
using sparsellm::require;
using sparsellm::weight_mask;

namespace {

using bytes = std::vector<std::byte>;

tensor_type stored_as(element_kind type) {
  require<sparsellm::value_error>(!sparsellm::is_quantized(type) || type == element_kind::q8_0,
                                  "GGUF: f32, f16, bf16 or q8_0 expected, got ",
                                  sparsellm::name(type));
  return type == element_kind::f32    ? tensor_type::f32
         : type == element_kind::f16  ? tensor_type::f16
         : type == element_kind::q8_0 ? tensor_type::q8_0
                                      : tensor_type::bf16;
}

// As ggml's quantize_row_q8_0_ref (ggml-quants.c, MIT) rounds 32 weights.
void append_q8_0(bytes& out, const float* w, float most) {
  const float scale = most / 127.0f, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  append_number(out, narrow<half>(scale).bits);
  for (std::size_t i = 0; i < 32; ++i)
    out.push_back(static_cast<std::byte>(static_cast<std::int8_t>(std::round(w[i] * inverse))));
}

// row is finite; in fewer bits it may no longer be.
void append_row(bytes& out, tensor_type type, const std::vector<float>& row) {
  if (type == tensor_type::q8_0) {
    for (std::size_t c = 0; c < row.size(); c += 32) {
      float most = 0.0f;
      for (std::size_t i = c; i < c + 32; ++i) most = std::max(most, std::fabs(row[i]));
      require<format_error>(std::isfinite(sparsellm::widen(narrow<half>(most / 127.0f))),
                            "GGUF: ", most, " is too large for Q8_0");
      append_q8_0(out, row.data() + c, most);
    }
    return;
  }
  for (const float w : row) append_weight<format_error>(out, storage_of(type), w, "GGUF");
}

class contents {
 public:
  contents(const checkpoint_source& from, element_kind type)
      : file_(from.file), type_(stored_as(type)) {
    const family* kind = family_of_architecture(from.c.architecture);
    halves_ = kind != nullptr && kind->split_heads;
    for (std::size_t l = 0; l < from.c.layers; ++l)
      for (const projection p : from.c.projections())
        places_[weight_of(file_, from.c, l, p).name] = {l, p};
    for (std::size_t l = 0; l < from.c.layers; ++l) {
      const std::string block = "blk." + std::to_string(l) + ".";
      gains_[block + "attn_norm.weight"] = {l, &pruned_block::attention_gain};
      gains_[block + "ffn_norm.weight"] = {l, &pruned_block::mlp_gain};
    }
  }

  [[nodiscard]] tensor_type type_of(const tensor& t) const {
    return t.rows == 1 ? tensor_type::f32 : type_;
  }
  [[nodiscard]] std::size_t row_bytes(const tensor& t) const {
    const tensor_type_info& info = *info_of(static_cast<std::uint32_t>(type_of(t)));
    require<format_error>(t.cols % info.block == 0, "GGUF: the rows of '",
                          file_.name_in_file(t.name), "' have ", t.cols,
                          " elements, not a multiple of ", info.name, "'s ", info.block);
    return t.cols / info.block * info.bytes;
  }

  // Row r as the file has it.
  void append(const tensor& t, std::size_t r, const std::vector<pruned_block>& blocks,
              bytes& out) const {
    std::vector<float> row(t.cols);
    const std::size_t ours = t.rows == 1 ? 0 : row_of(t, r);
    dequantize_row(t, ours, row);
    require_finite(file_, t, ours, sparsellm::vector_view<const float>(row));
    if (t.rows == 1 && t.split_head != 0 && !halves_) {
      const std::vector<float> stored = row;
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = stored[t.stored_row(i)];
    }
    if (const auto at = gains_.find(t.name); at != gains_.end() && !blocks.empty()) {
      const std::vector<float>& changed = blocks[at->second.layer].*at->second.gain;
      if (!changed.empty()) row = changed;
    }
    if (const auto at = places_.find(t.name); at != places_.end() && !blocks.empty()) {
      const pruned_weight& pruned = blocks[at->second.layer].weights[at->second.p];
      const weight_mask& mask = pruned.mask;
      if (pruned.values.size() != 0)
        std::copy_n(&pruned.values[ours * row.size()], row.size(), row.begin());
      for (std::size_t c = 0; mask.shape().outputs != 0 && c < row.size(); ++c)
        if (!mask.keeps(ours, c)) row[c] = 0.0f;
    }
    append_row(out, type_of(t), row);
  }

 private:
  struct place {
    std::size_t layer;
    projection p;
  };
  struct gain_place {
    std::size_t layer;
    std::vector<float> pruned_block::* gain;
  };

  // The row of ours that a GGUF of the architecture has at r: heads are pairs of neighbours here.
  [[nodiscard]] std::size_t row_of(const tensor& t, std::size_t r) const {
    if (!halves_ || t.split_head == 0) return r;
    return row_of_halves(r, t.split_head);
  }

  const model_file& file_;
  tensor_type type_;
  bool halves_ = false;  // rows of q and k in the file: the halves of heads
  std::unordered_map<std::string, place> places_;
  std::unordered_map<std::string, gain_place> gains_;
};

std::uint64_t rounded_up(std::uint64_t n, std::uint64_t alignment) {
  return (n + alignment - 1) / alignment * alignment;
}

// Everything before the data. Returns the size of the data.
std::uint64_t append_header(bytes& out, const model_file& file, const contents& all,
                            const gguf_metadata& metadata, std::uint64_t alignment) {
  for (const char c : {'G', 'G', 'U', 'F'}) out.push_back(static_cast<std::byte>(c));
  append_number(out, std::uint32_t{3});
  append_number(out, std::uint64_t{file.tensors().size()});
  append_number(out, std::uint64_t{metadata.size()});
  const bytes values = metadata.bytes();
  out.insert(out.end(), values.begin(), values.end());
  std::uint64_t offset = 0;
  for (const tensor& t : file.tensors()) {
    append_string(out, t.name);
    append_number(out, std::uint32_t{t.rows == 1 ? 1u : 2u});
    append_number(out, std::uint64_t{t.cols});
    if (t.rows != 1) append_number(out, std::uint64_t{t.rows});
    append_number(out, static_cast<std::uint32_t>(all.type_of(t)));
    append_number(out, offset);
    offset = rounded_up(offset + t.rows * all.row_bytes(t), alignment);
  }
  out.resize(static_cast<std::size_t>(rounded_up(out.size(), alignment)));
  return offset;
}

}  // namespace

bool names_gguf(const std::string& path) { return path.ends_with(".gguf"); }

void check_gguf(const checkpoint_source& from, element_kind type) {
  const family* kind = family_of_architecture(from.c.architecture);
  require<format_error>(kind != nullptr && kind->in_gguf,
                        "GGUF: llama.cpp defines no architecture '", from.c.architecture,
                        "', so nothing would run the file; a directory can be "
                        "written");
  const contents all(from, type);
  for (const tensor& t : from.file.tensors()) (void)all.row_bytes(t);
  (void)gguf_metadata(from.file, type);
}

std::size_t write_gguf(sparsellm::output_file& to, const checkpoint_source& from,
                       const std::vector<pruned_block>& blocks, element_kind type,
                       const gguf_provenance& made, const std::function<void(double)>& tick) {
  check_gguf(from, type);
  const model_file& file = from.file;
  const contents all(from, type);
  gguf_metadata metadata(file, type);
  metadata.set(made.key, made.json);
  const std::uint64_t alignment = file.whole("general.alignment", 32);
  bytes out;
  const std::uint64_t size = append_header(out, file, all, metadata, alignment);
  to.append(out.data(), out.size());
  const std::size_t header = out.size();
  std::uint64_t written = 0;
  for (const tensor& t : file.tensors()) {
    for (std::size_t r = 0; r < t.rows; ++r) {
      out.clear();
      all.append(t, r, blocks, out);
      if (r + 1 == t.rows)
        out.resize(static_cast<std::size_t>(rounded_up(written + out.size(), alignment) - written));
      to.append(out.data(), out.size());
      written += out.size();
      if (tick) tick(static_cast<double>(written) / static_cast<double>(size));
    }
  }
  to.commit();
  return header + static_cast<std::size_t>(written);
}

}  // namespace llama
