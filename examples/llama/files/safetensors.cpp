// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The header is parsed by nlohmann/json; what it says is believed only after it fits the file.
#include "files/safetensors.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "files/little_endian.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/output_file.hpp"

namespace llama {

using nlohmann::json;
using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;
using sparsellm::require;

namespace {

constexpr std::size_t longest_header = 100'000'000;  // the format's own limit

struct element_name {
  element type;
  const char* name;
  std::size_t bytes;
};
constexpr element_name elements[] = {
    {element::boolean, "BOOL", 1}, {element::u8, "U8", 1},      {element::i8, "I8", 1},
    {element::u16, "U16", 2},      {element::i16, "I16", 2},    {element::u32, "U32", 4},
    {element::i32, "I32", 4},      {element::u64, "U64", 8},    {element::i64, "I64", 8},
    {element::f16, "F16", 2},      {element::bf16, "BF16", 2},  {element::f32, "F32", 4},
    {element::f64, "F64", 8},      {element::f8, "F8_E4M3", 1}, {element::f8, "F8_E5M2", 1}};

const element_name& named(const std::string& name, const std::string& tensor) {
  for (const element_name& e : elements)
    if (name == e.name) return e;
  raise<format_error>(
      concat("safetensors: tensor '", tensor, "' has the unknown type '", name, "'"));
}

// JSON numbers that are whole and fit.
std::size_t whole(const json& j, const std::string& tensor, const char* what) {
  require<format_error>(j.is_number_unsigned(), "safetensors: tensor '", tensor, "' has a ", what,
                        " of ", j.dump(-1, ' ', false, json::error_handler_t::replace),
                        ", a whole number expected");
  return j.get<std::size_t>();
}

}  // namespace

std::size_t bytes_of(element type) noexcept {
  for (const element_name& e : elements)
    if (e.type == type) return e.bytes;
  return 0;
}

safetensors::safetensors(const std::byte* data, std::size_t size) {
  require<format_error>(size >= 8, "safetensors: 8 bytes of header length expected, the file has ",
                        size);
  const auto length = read_little_endian<std::uint64_t>(data);
  require<format_error>(length <= longest_header && length <= size - 8, "safetensors: a header of ",
                        length, " bytes does not fit a file of ", size);
  const auto* text = reinterpret_cast<const char*>(data + 8);
  const json header = json::parse(text, text + length, nullptr, false);
  require<format_error>(header.is_object(), "safetensors: the header is not a JSON object");
  const std::size_t room = size - 8 - static_cast<std::size_t>(length);
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      require<format_error>(entry.is_object(), "safetensors: __metadata__ is not an object");
      for (const auto& [key, value] : entry.items()) {
        require<format_error>(value.is_string(), "safetensors: __metadata__ '", key,
                              "' is not text");
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    require<format_error>(entry.is_object() && entry.contains("dtype") &&
                              entry["dtype"].is_string() && entry.contains("shape") &&
                              entry["shape"].is_array() && entry.contains("data_offsets") &&
                              entry["data_offsets"].is_array() && entry["data_offsets"].size() == 2,
                          "safetensors: tensor '", name, "' lacks dtype, shape or data_offsets");
    const element_name& type = named(entry["dtype"].get<std::string>(), name);
    safetensor t{type.type, {}, nullptr, 1};
    for (const json& extent : entry["shape"]) {
      const std::size_t n = whole(extent, name, "extent");
      require<format_error>(n == 0 || t.elements <= std::numeric_limits<std::size_t>::max() / 8 / n,
                            "safetensors: tensor '", name, "' is too large");
      t.elements *= n;
      t.shape.push_back(n);
    }
    const std::size_t first = whole(entry["data_offsets"][0], name, "data offset");
    const std::size_t last = whole(entry["data_offsets"][1], name, "data offset");
    require<format_error>(first <= last && last <= room && last - first == t.elements * type.bytes,
                          "safetensors: tensor '", name, "' needs ", t.elements * type.bytes,
                          " bytes, got [", first, ", ", last, ") of ", room);
    t.data = data + 8 + length + first;
    ranges.emplace_back(first, last);
    tensors_.emplace(name, std::move(t));
  }
  std::sort(ranges.begin(), ranges.end());
  std::size_t end = 0;
  for (const auto& [first, last] : ranges) {
    require<format_error>(first == end, "safetensors: tensors ", first < end ? "overlap" : "gap",
                          " at byte ", std::min(first, end), " of the data");
    end = last;
  }
  require<format_error>(end == room, "safetensors: ", room - end, " bytes after the last tensor");
}

void write_safetensors(const std::string& path, const std::vector<safetensor_source>& tensors,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<void(double)>& tick) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  const auto size_of = [](const safetensor_source& t) {
    std::size_t n = bytes_of(t.type);
    for (const std::size_t extent : t.shape) n *= extent;
    return n;
  };
  std::size_t end = 0;
  for (const safetensor_source& t : tensors) {
    const std::size_t first = end;
    end += size_of(t);
    const auto* type = std::find_if(std::begin(elements), std::end(elements),
                                    [&](const element_name& e) { return e.type == t.type; });
    header[t.name] = {{"dtype", type->name}, {"shape", t.shape}, {"data_offsets", {first, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that data is aligned
  unsigned char length[8];
  for (std::size_t i = 0; i < 8; ++i)
    length[i] = static_cast<unsigned char>(text.size() >> (8 * i));
  sparsellm::output_file out(path);
  out.append(length, sizeof length);
  out.append(text);
  std::size_t written = 0;
  std::vector<std::byte> bytes;
  for (const safetensor_source& t : tensors) {
    const std::size_t before = written;
    for (std::size_t i = 0; i < t.pieces; ++i) {
      bytes.clear();
      t.append(i, bytes);
      out.append(bytes.data(), bytes.size());
      written += bytes.size();
      if (tick) tick(static_cast<double>(written) / static_cast<double>(end));
    }
    require<format_error>(written - before == size_of(t), "safetensors: tensor '", t.name, "' has ",
                          size_of(t), " bytes, ", written - before, " were written");
  }
  out.commit();
}

}  // namespace llama
