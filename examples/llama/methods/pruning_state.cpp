// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/pruning_state.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "files/little_endian.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/output_file.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace llama {

namespace fs = std::filesystem;
using sparsellm::file_error;
using sparsellm::format_error;
using sparsellm::require;

namespace {

using bytes = std::vector<std::byte>;
constexpr std::string_view magic = "sparsellm-pruned-block 1\n";

std::uint64_t hash_of(const std::byte* data, std::size_t size) {
  sparsellm::weight_hash h;
  h.add(data, size);
  return h.value();
}

void append(bytes& out, const pruned_weight& w) {
  const sparsellm::extents e = w.mask.shape();
  for (const std::size_t n : {e.outputs, e.inputs, w.pattern.n, w.pattern.m, w.values.size()})
    append_number(out, std::uint64_t{n});
  for (const double v : {w.retained.total, w.retained.without_groups, w.retained.shuffled,
                         w.retained.plain, w.error, w.energy})
    append_number(out, v);
  for (std::size_t i = 0; i < e.outputs * w.mask.row_words(); ++i)
    append_number(out, w.mask.row(0)[i]);
  for (const float v : w.values) append_number(out, v);
}

// Numbers one after the other; the whole is known to be undamaged, but not who wrote it.
class reader {
 public:
  reader(std::string_view text, std::size_t at) : text_(text), at_(at) {}

  template <class T>
  [[nodiscard]] T take() {
    require<format_error>(text_.size() - at_ >= sizeof(T), "it ends early");
    const T v = read_little_endian<T>(reinterpret_cast<const std::byte*>(text_.data() + at_));
    at_ += sizeof(T);
    return v;
  }
  // Of things of at least `size` bytes each.
  [[nodiscard]] std::size_t take_count(std::size_t size) {
    const auto n = take<std::uint64_t>();
    require<format_error>(n <= (text_.size() - at_) / size, "it ends early");
    return static_cast<std::size_t>(n);
  }
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }

 private:
  std::string_view text_;
  std::size_t at_;
};

pruned_weight take_weight(reader& in, sparsellm::extents shape) {
  pruned_weight w;
  const sparsellm::extents e{static_cast<std::size_t>(in.take<std::uint64_t>()),
                             static_cast<std::size_t>(in.take<std::uint64_t>())};
  require<format_error>(e.outputs == 0 || e == shape, "a mask of ", shape.outputs, "x",
                        shape.inputs, " expected, got ", e.outputs, "x", e.inputs);
  w.pattern.n = static_cast<std::size_t>(in.take<std::uint64_t>());
  w.pattern.m = static_cast<std::size_t>(in.take<std::uint64_t>());
  const auto values = in.take<std::uint64_t>();
  require<format_error>(values == 0 || values == e.outputs * e.inputs, e.outputs * e.inputs,
                        " values expected, got ", values);
  for (double* v : {&w.retained.total, &w.retained.without_groups, &w.retained.shuffled,
                    &w.retained.plain, &w.error, &w.energy})
    *v = in.take<double>();
  if (e.outputs == 0) return w;
  w.mask = sparsellm::weight_mask(e);
  for (std::size_t i = 0; i < e.outputs * w.mask.row_words(); ++i)
    w.mask.row(0)[i] = in.take<std::uint64_t>();
  if (values != 0) w.values = sparsellm::buffer<float>(static_cast<std::size_t>(values));
  for (float& v : w.values) v = in.take<float>();
  return w;
}

pruned_block take_block(std::string_view text, std::uint64_t identity, const config& c) {
  require<format_error>(text.starts_with(magic) && text.size() >= magic.size() + 16,
                        "not a pruned block of version 1");
  const std::size_t end = text.size() - 8;
  const auto* const data = reinterpret_cast<const std::byte*>(text.data());
  require<format_error>(read_little_endian<std::uint64_t>(data + end) == hash_of(data, end),
                        "it is damaged");
  reader in(text.substr(0, end), magic.size());
  require<format_error>(in.take<std::uint64_t>() == identity,
                        "made from another model, text or options");
  pruned_block block;
  for (const activation_site site : activation_sites) {
    std::vector<std::uint32_t> at(in.take_count(4));
    for (std::uint32_t& i : at) i = in.take<std::uint32_t>();
    if (!at.empty()) block.orders[site] = sparsellm::channel_order(std::move(at));
  }
  for (const projection p : c.projections()) block.weights[p] = take_weight(in, c.extents_of(p));
  require<format_error>(in.at_end(), "something follows its end");
  return block;
}

}  // namespace

pruning_state::pruning_state(std::string folder, std::uint64_t identity, const config& c)
    : folder_(std::move(folder)), identity_(identity), config_(c) {
  std::error_code failed;
  fs::create_directories(folder_, failed);
  require<file_error>(fs::is_directory(folder_), "--state: cannot make the directory '", folder_,
                      "'", failed ? ": " + failed.message() : std::string());
  sparsellm::output_file(path(0));  // whether it can be written
}

std::string pruning_state::path(std::size_t layer) const {
  return (fs::path(folder_) / sparsellm::concat("block-", layer)).string();
}

std::optional<pruned_block> pruning_state::load(std::size_t layer) const {
  if (!fs::exists(path(layer))) return std::nullopt;
  try {
    return take_block(sparsellm::read_file(path(layer)), identity_, config_);
  } catch (const sparsellm::error& e) {
    sparsellm::raise<format_error>(sparsellm::concat("--state '", path(layer), "': ", e.what()));
  }
}

void pruning_state::save(std::size_t layer, const pruned_block& block) const {
  bytes out;
  for (const char c : magic) out.push_back(static_cast<std::byte>(c));
  append_number(out, identity_);
  for (const activation_site site : activation_sites) {
    append_number(out, std::uint64_t{block.orders[site].size()});
    for (std::size_t i = 0; i < block.orders[site].size(); ++i)
      append_number(out, block.orders[site][i]);
  }
  for (const projection p : config_.projections()) append(out, block.weights[p]);
  append_number(out, hash_of(out.data(), out.size()));
  sparsellm::output_file file(path(layer));
  file.append(out.data(), out.size());
  file.commit();
}

void pruning_state::remove() const {
  std::error_code ignored;
  for (std::size_t l = 0; l < config_.layers; ++l) fs::remove(path(l), ignored);
  fs::remove(folder_, ignored);
}

}  // namespace llama
