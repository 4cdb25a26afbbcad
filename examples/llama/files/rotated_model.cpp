// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One tensor at a time is in memory as floats.
#include "files/rotated_model.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "files/dequantize.hpp"
#include "files/finite.hpp"
#include "files/levels.hpp"
#include "files/projection.hpp"
#include "files/stored_weight.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/multiply.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::element_kind;
using sparsellm::format_error;
using sparsellm::matrix_view;
using sparsellm::require;
using sparsellm::vector_view;

namespace {

// What a tensor is to the residual stream.
enum class part {
  reader,     // its rows are multiplied with the stream: turned, after the gains of a norm
  writer,     // what its rows give is added to the stream
  gain,       // of a norm: 1 from now on
  untouched,  // it sees no channel of the stream
};

struct role {
  part what = part::untouched;
  std::string gains{};  // of a reader: the norm between; empty for embeddings
};

std::string in_block(std::size_t layer, const std::string& name) {
  return "blk." + std::to_string(layer) + "." + name;
}

std::unordered_map<std::string, role> roles_of(const config& c) {
  std::unordered_map<std::string, role> roles;
  roles["token_embd.weight"] = {part::reader};
  roles["output.weight"] = {part::reader, "output_norm.weight"};
  roles["output_norm.weight"] = {part::gain};
  for (std::size_t l = 0; l < c.layers; ++l) {
    for (const char* norm : {"attn_norm", "ffn_norm"})
      roles[in_block(l, norm) + ".weight"] = {part::gain};
    for (const projection p : c.projections()) {
      const activation_site site = site_of(p);
      const std::string name = in_block(l, gguf_name(p));
      if (site == activation_site::attention_input)
        roles[name + ".weight"] = {part::reader, in_block(l, "attn_norm.weight")};
      else if (site == activation_site::mlp_input)
        roles[name + ".weight"] = {part::reader, in_block(l, "ffn_norm.weight")};
      else
        roles[name + ".weight"] = roles[name + ".bias"] = {part::writer};
    }
  }
  return roles;
}

// A tensor's rows in our order.
buffer<float> values_of(sparsellm::cpu::executor& exec, const model_file& file, const tensor& t) {
  buffer<float> values(t.rows * t.cols);
  exec.parallel_for(t.rows, [&](std::size_t r) {
    const vector_view<float> row(&values[r * t.cols], t.cols);
    dequantize_row(t, r, row);
    require_finite(file, t, r, vector_view<const float>(row));
  });
  return values;
}

// Rounds to the type, rows where the tensor stores them.
buffer<std::byte> stored(sparsellm::cpu::executor& exec, const tensor& t, const buffer<float>& w,
                         tensor_type type) {
  const element_kind kind = storage_of(type);
  const std::size_t row_bytes = t.cols * info_of(static_cast<std::uint32_t>(type))->bytes;
  buffer<std::byte> all(t.rows * row_bytes);
  exec.parallel_for(t.rows, [&](std::size_t r) {
    std::vector<std::byte> row;
    for (std::size_t c = 0; c < t.cols; ++c)
      append_weight<sparsellm::value_error>(row, kind, w[r * t.cols + c], "rotate");
    const std::size_t at = t.rows == 1 ? 0 : t.stored_row(r);
    std::copy(row.begin(), row.end(), all.data() + at * row_bytes);
  });
  return all;
}

}  // namespace

void rotated_model::check(const model_file& from, const config& c) {
  require<format_error>(c.parts.norm == norm_kind::rms, "rotate: a model with RMSNorm expected, '",
                        c.name, "' has ", name(c.parts.norm));
  bool pruned = !from.orders().empty();
  for (const tensor& t : from.tensors()) pruned = pruned || t.mask != nullptr;
  require<format_error>(!pruned, "rotate: '", c.name,
                        "' is pruned, and turning would fill its zeros; a dense model expected");
}

rotated_model::rotated_model(sparsellm::cpu::executor& exec, const model_file& from,
                             const config& c, const sparsellm::rotation& turned, tensor_type type,
                             const std::function<void(double)>& tick)
    : model_file("rotated model"), from_(from) {
  check(from, c);
  require<sparsellm::shape_error>(turned.channels() == c.width, "rotate: a rotation of ", c.width,
                                  " channels expected, got ", turned.channels());
  for (const auto& [key, value] : from.values()) add(key, value);

  const std::unordered_map<std::string, role> roles = roles_of(c);
  std::vector<tensor> all = from.tensors();
  if (from.find("output.weight") == nullptr) {
    all.push_back(*from.find("token_embd.weight"));
    all.back().name = "output.weight";
  }
  double done = 0, elements = 0;
  for (const tensor& t : all) elements += static_cast<double>(t.rows * t.cols);
  for (tensor& t : all) {
    const auto at = roles.find(t.name);
    const role as = at == roles.end() ? role{} : at->second;
    if (as.what != part::untouched) {
      buffer<float> w = values_of(exec, from, t);
      if (as.what == part::gain) {
        for (float& x : w) x = 1.0f;
      } else if (as.what == part::writer) {
        // A bias is one more column of what its weight adds.
        turned.turn_outputs(exec, matrix_view<float>(w.data(), c.width, w.size() / c.width));
      } else {
        if (!as.gains.empty()) {
          std::vector<float> gains(c.width);
          dequantize_row(from.tensor_of(as.gains, 1, c.width), 0, gains);
          exec.parallel_for(t.rows, [&](std::size_t r) {
            for (std::size_t i = 0; i < c.width; ++i) w[r * c.width + i] *= gains[i];
          });
        }
        buffer<float> along(w.size());
        turned.turn(exec, matrix_view<const float>(w.data(), t.rows, c.width),
                    matrix_view<float>(along.data(), t.rows, c.width));
        w = std::move(along);
      }
      t.type = t.rows == 1 ? tensor_type::f32 : type;
      made_.push_back(stored(exec, t, w, t.type));
      t.data = made_.back().data();
      t.bytes = made_.back().size();
    }
    done += static_cast<double>(t.rows * t.cols);
    add(std::move(t));
    if (tick) tick(done / elements);
  }
}

}  // namespace llama
