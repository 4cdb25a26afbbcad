// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of q and k are put back into the order of other programs (tensor::split_head).
#include "files/checkpoint_writer.hpp"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "files/checkpoint.hpp"
#include "files/checkpoint_companions.hpp"
#include "files/dequantize.hpp"
#include "files/finite.hpp"
#include "files/little_endian.hpp"
#include "files/safetensors.hpp"
#include "files/stored_weight.hpp"
#include "files/tensor_names.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/output_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::element_kind;
using sparsellm::require;
using sparsellm::weight_mask;

namespace {

using bytes = std::vector<std::byte>;
// Row r of a weight, in the order that it is written in.
using row_reader = std::function<void(std::size_t r, sparsellm::vector_view<float> out)>;

element element_of(element_kind type) {
  require<sparsellm::value_error>(!sparsellm::is_quantized(type),
                                  "checkpoint: f32, f16 or bf16 expected, got ",
                                  sparsellm::name(type));
  return type == element_kind::f32   ? element::f32
         : type == element_kind::f16 ? element::f16
                                     : element::bf16;
}

class writer {
 public:
  explicit writer(element_kind type) : type_(type), element_(element_of(type)) {}

  void add_dense(const std::string& name, std::vector<std::size_t> shape, row_reader read) {
    const std::size_t rows = shape.size() == 1 ? 1 : shape[0], cols = shape.back();
    tensors_.push_back({name, element_, std::move(shape), rows,
                        [this, cols, read = std::move(read)](std::size_t r, bytes& out) {
                          std::vector<float> row(cols);
                          read(r, row);
                          for (const float w : row)
                            append_weight<sparsellm::value_error>(out, type_, w, "checkpoint");
                        }});
  }

  // base: "model.layers.0.mlp.up_proj". from(r): the mask's row for row r as it is written.
  void add_sparse(const std::string& base, const weight_mask& mask, bool is_24, row_reader read,
                  std::function<std::size_t(std::size_t)> from) {
    const sparsellm::extents e = mask.shape();
    const std::string name = is_24 ? base : base + ".weight";
    std::size_t kept = 0;
    auto starts = std::make_shared<std::vector<std::int64_t>>();
    for (std::size_t r = 0; r < e.outputs; ++r) {
      starts->push_back(static_cast<std::int64_t>(kept));
      kept += mask.kept(from(r));
    }
    tensors_.push_back(
        {name + ".compressed", element_,
         is_24 ? std::vector<std::size_t>{e.outputs, e.inputs / 2} : std::vector<std::size_t>{kept},
         e.outputs, [this, &mask, e, read, from](std::size_t r, bytes& out) {
           std::vector<float> row(e.inputs);
           read(r, row);
           for (std::size_t c = 0; c < e.inputs; ++c)
             if (mask.keeps(from(r), c))
               append_weight<sparsellm::value_error>(out, type_, row[c], "checkpoint");
         }});
    tensors_.push_back({name + ".bitmask",
                        element::u8,
                        {e.outputs, (e.inputs + 7) / 8},
                        e.outputs,
                        [&mask, e, from](std::size_t r, bytes& out) {
                          const std::uint64_t* words = mask.row(from(r));
                          for (std::size_t i = 0; i < (e.inputs + 7) / 8; ++i)
                            out.push_back(static_cast<std::byte>(words[i / 8] >> (i % 8 * 8)));
                        }});
    tensors_.push_back({name + ".shape", element::i64,
                        is_24 ? std::vector<std::size_t>{2, 1} : std::vector<std::size_t>{2}, 1,
                        [e](std::size_t, bytes& out) {
                          append_number(out, static_cast<std::int64_t>(e.outputs));
                          append_number(out, static_cast<std::int64_t>(e.inputs));
                        }});
    if (!is_24)
      tensors_.push_back(
          {name + ".row_offsets", element::i64, {e.outputs}, 1, [starts](std::size_t, bytes& out) {
             for (const std::int64_t s : *starts) append_number(out, s);
           }});
  }

  [[nodiscard]] const std::vector<safetensor_source>& tensors() const noexcept { return tensors_; }

 private:
  element_kind type_;
  element element_;
  std::vector<safetensor_source> tensors_;
};

ordered_json order_json(const sparsellm::channel_order& o) {
  return o.size() == 0 ? ordered_json(nullptr) : ordered_json(o.channels());
}

// Goes through the tensors of a model, in a checkpoint's order.
class contents {
 public:
  contents(writer& out, const checkpoint_source& from, pruned_contents& pruned)
      : out_(out),
        file_(from.file),
        c_(from.c),
        kind_(checkpoint_family(from.c)),
        pruned_(pruned) {}

  void add(const std::vector<pruned_block>& blocks) {
    add_as_is("token_embd.weight", c_.vocabulary, c_.width);
    if (c_.parts.positions == position_kind::learned)
      add_as_is("position_embd.weight", c_.context + c_.position_offset, c_.width);
    pruned_.dense.push_back("lm_head");
    for (std::size_t l = 0; l < c_.layers; ++l) {
      const std::string block = "blk." + std::to_string(l) + ".";
      add_norm(block + "attn_norm", blocks[l].attention_gain);
      add_norm(block + "ffn_norm", blocks[l].mlp_gain);
      if (c_.parts.head_norms)
        for (const char* norm : {"attn_q_norm.weight", "attn_k_norm.weight"})
          add_vector(block + norm, c_.head_size, true);
      for (const projection p : c_.projections()) {
        add_weight(l, p, blocks[l].weights[p]);
        if (c_.has_bias[p])
          add_vector(block + gguf_name(p) + ".bias", c_.extents_of(p).outputs, is_turned(p));
      }
    }
    add_norm("output_norm", {});
    if (file_.find("output.weight") != nullptr) add_as_is("output.weight", c_.vocabulary, c_.width);
  }

 private:
  [[nodiscard]] std::string called(const std::string& name) const {
    return checkpoint_name_of(kind_, name);
  }
  // Whether its outputs are heads that positions turn.
  [[nodiscard]] bool is_turned(projection p) const {
    return c_.parts.positions == position_kind::rotary &&
           (p == projection::q || p == projection::k);
  }
  void add_as_is(const std::string& name, std::size_t rows, std::size_t cols) {
    const tensor& t = file_.tensor_of(name, rows, cols);
    out_.add_dense(called(name), {rows, cols},
                   [&t, this](std::size_t r, sparsellm::vector_view<float> row) {
                     dequantize_row(t, r, row);
                     require_finite(file_, t, r, row);
                   });
  }
  void add_vector(const std::string& name, std::size_t size, bool turned) {
    const tensor& t = file_.tensor_of(name, 1, size);
    out_.add_dense(called(name), {size},
                   [&t, this, turned](std::size_t, sparsellm::vector_view<float> out) {
                     std::vector<float> stored(out.size());
                     dequantize_row(t, 0, stored);
                     require_finite(file_, t, 0, sparsellm::vector_view<const float>(stored));
                     for (std::size_t i = 0; i < out.size(); ++i)
                       out[i] = stored[t.stored_row(turned ? row_of_halves(i, c_.head_size) : i)];
                   });
  }
  // changed: the gain, where it is not the file's. Lives as long as this.
  void add_norm(const std::string& name, const std::vector<float>& changed) {
    if (changed.empty())
      add_vector(name + ".weight", c_.width, false);
    else
      out_.add_dense(called(name + ".weight"), {c_.width},
                     [&changed](std::size_t, sparsellm::vector_view<float> out) {
                       std::copy(changed.begin(), changed.end(), out.begin());
                     });
    if (c_.parts.norm == norm_kind::layer) add_vector(name + ".bias", c_.width, false);
  }

  // Dense, or by its mask.
  void add_weight(std::size_t layer, projection p, const pruned_weight& pruned) {
    const weight_mask& mask = pruned.mask;
    const sparsellm::extents e = c_.extents_of(p);
    const tensor& weight = weight_of(file_, c_, layer, p);
    const auto row_of = [this, turned = is_turned(p)](std::size_t r) {
      return turned ? row_of_halves(r, c_.head_size) : r;
    };
    const row_reader read = [&weight, &pruned, row_of](std::size_t r,
                                                       sparsellm::vector_view<float> row) {
      if (pruned.values.size() == 0) return dequantize_row(weight, row_of(r), row);
      const auto first =
          pruned.values.begin() + static_cast<std::ptrdiff_t>(row_of(r) * row.size());
      std::copy_n(first, row.size(), row.begin());
    };
    std::string module = called(weight.name);
    module.resize(module.size() - std::string(".weight").size());
    if (mask.shape().outputs == 0) {
      pruned_.dense.push_back(module);
      out_.add_dense(module + ".weight", {e.outputs, e.inputs}, read);
      return;
    }
    out_.add_sparse(module, mask, pruned_.is_24, read, row_of);
    for (std::size_t r = 0; r < e.outputs; ++r) pruned_.kept += static_cast<double>(mask.kept(r));
    pruned_.all += static_cast<double>(e.outputs) * static_cast<double>(e.inputs);
  }

  writer& out_;
  const model_file& file_;
  const config& c_;
  const family& kind_;
  pruned_contents& pruned_;
};

// The orders and the provenance, for the metadata.
ordered_json metadata_json(const std::vector<pruned_block>& blocks, const std::string& provenance) {
  ordered_json metadata{{"version", 1}, {"pruning", ordered_json::parse(provenance)}};
  metadata["orders"] = ordered_json::array();
  for (const pruned_block& b : blocks) {
    ordered_json orders = ordered_json::object();
    for (const activation_site site : activation_sites)
      orders[name(site)] = order_json(b.orders[site]);
    metadata["orders"].push_back(std::move(orders));
  }
  return metadata;
}

}  // namespace

void check_checkpoint(const checkpoint_source& from, element_kind type) {
  (void)element_of(type);
  (void)checkpoint_companions(from, type, {});
}

void write_checkpoint(const output_directory& to, const checkpoint_source& from,
                      const std::vector<pruned_block>& blocks, sparsellm::nm_pattern pattern,
                      element_kind type, const std::string& provenance,
                      const std::function<void(double)>& tick) {
  pruned_contents pruned;
  pruned.is_24 = pattern == sparsellm::nm_pattern{2, 4};
  for (const pruned_block& b : blocks)
    for (const pruned_weight& w : b.weights)
      pruned.is_24 = pruned.is_24 && w.mask.shape().inputs % 4 == 0;
  writer out(type);
  contents all(out, from, pruned);
  all.add(blocks);
  const std::string metadata = metadata_json(blocks, provenance).dump();
  // Everything is written before anything takes its place, the large file first.
  std::vector<std::unique_ptr<sparsellm::output_file>> files;
  for (const auto& [name, text] : checkpoint_companions(from, type, pruned)) {
    files.push_back(std::make_unique<sparsellm::output_file>(to.path() + "/" + name));
    files.back()->append(text);
  }
  write_safetensors(to.path() + "/model.safetensors", out.tensors(),
                    {{"format", "pt"}, {sparsellm_metadata, metadata}}, tick);
  to.remove_foreign();
  for (const auto& f : files) f->commit();
}

}  // namespace llama
