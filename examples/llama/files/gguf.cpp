// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The GGUF reader: a cursor that cannot leave the file, and everything read through it.
#include "files/gguf.hpp"

#include <limits>
#include <utility>

#include "files/config.hpp"
#include "files/file_kind.hpp"
#include "files/gguf_bytes.hpp"
#include "files/little_endian.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;

namespace {

class cursor {
 public:
  cursor(const std::byte* data, std::size_t size) : data_(data), size_(size) {}

  [[nodiscard]] std::size_t position() const noexcept { return at_; }
  [[nodiscard]] std::size_t left() const noexcept { return size_ - at_; }

  template <class T>
  [[nodiscard]] T read(const char* what) {
    need(sizeof(T), what);
    const T value = read_little_endian<T>(data_ + at_);
    at_ += sizeof(T);
    return value;
  }

  [[nodiscard]] std::string read_string(const char* what) {
    const auto length = read<std::uint64_t>(what);
    need(length, what);
    std::string text(reinterpret_cast<const char*>(data_ + at_), static_cast<std::size_t>(length));
    at_ += static_cast<std::size_t>(length);
    return text;
  }

  // Refuses counts that could not fit the rest of the file, before memory is asked for.
  [[nodiscard]] std::size_t read_count(std::size_t least_bytes_each, const char* what) {
    const auto count = read<std::uint64_t>(what);
    if (count > left() / least_bytes_each)
      raise<format_error>(concat("GGUF: ", count, " ", what, " at byte ", at_ - 8,
                                 " do not fit the ", left(), " bytes that are left"));
    return static_cast<std::size_t>(count);
  }

 private:
  void need(std::uint64_t bytes, const char* what) const {
    if (bytes > left())
      raise<format_error>(concat("GGUF: the file ends inside ", what, ": ", bytes,
                                 " bytes needed at byte ", at_, ", ", left(), " left"));
  }
  const std::byte* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

using namespace gguf_type;

constexpr bool is_signed(std::uint32_t type) {
  return type == i8 || type == i16 || type == i32 || type == i64;
}
constexpr bool is_unsigned(std::uint32_t type) {
  return type == u8 || type == u16 || type == u32 || type == u64;
}

std::int64_t read_signed(cursor& in, std::uint32_t type) {
  switch (type) {
    case i8: return in.read<std::int8_t>("a value");
    case i16: return in.read<std::int16_t>("a value");
    case i32: return in.read<std::int32_t>("a value");
    default: return in.read<std::int64_t>("a value");
  }
}

std::uint64_t read_unsigned(cursor& in, std::uint32_t type) {
  switch (type) {
    case u8: return in.read<std::uint8_t>("a value");
    case u16: return in.read<std::uint16_t>("a value");
    case u32: return in.read<std::uint32_t>("a value");
    default: return in.read<std::uint64_t>("a value");
  }
}

double read_real(cursor& in, std::uint32_t type) {
  return type == f32 ? in.read<float>("a value") : in.read<double>("a value");
}

bool read_bool(cursor& in) {
  const auto byte = in.read<std::uint8_t>("a boolean");
  if (byte > 1) raise<format_error>(concat("GGUF: a boolean is 0 or 1, got ", int{byte}));
  return byte != 0;
}

metadata_value read_array(cursor& in) {
  const auto type = in.read<std::uint32_t>("an array's type");
  if (type == string) {
    std::vector<std::string> items(in.read_count(8, "array items"));
    for (std::string& s : items) s = in.read_string("an array's string");
    return items;
  }
  if (type == f32 || type == f64) {
    std::vector<double> items(in.read_count(type == f32 ? 4 : 8, "array items"));
    for (double& v : items) v = read_real(in, type);
    return items;
  }
  if (!is_signed(type) && !is_unsigned(type) && type != boolean)
    raise<format_error>(
        concat("GGUF: arrays of type ", type, " are not known, at byte ", in.position()));
  constexpr std::size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 8, 8, 8, 8};
  std::vector<std::int64_t> items(in.read_count(sizes[type], "array items"));
  for (std::int64_t& v : items) {
    if (is_signed(type))
      v = read_signed(in, type);
    else if (is_unsigned(type))
      v = static_cast<std::int64_t>(read_unsigned(in, type));
    else
      v = read_bool(in) ? 1 : 0;
  }
  return items;
}

metadata_value read_value(cursor& in) {
  const auto type = in.read<std::uint32_t>("a value's type");
  if (is_signed(type)) return read_signed(in, type);
  if (is_unsigned(type)) return read_unsigned(in, type);
  if (type == f32 || type == f64) return read_real(in, type);
  if (type == boolean) return read_bool(in);
  if (type == string) return in.read_string("a string");
  if (type == array) return read_array(in);
  raise<format_error>(
      concat("GGUF: value type ", type, " at byte ", in.position() - 4, " is not known"));
}

// a · b, or the largest size when that does not fit.
std::size_t times(std::size_t a, std::uint64_t b) {
  return b != 0 && a > std::numeric_limits<std::size_t>::max() / b
             ? std::numeric_limits<std::size_t>::max()
             : a * static_cast<std::size_t>(b);
}

struct tensor_entry {
  tensor result;
  std::uint64_t offset;
};

tensor_entry read_tensor(cursor& in) {
  tensor_entry entry{};
  tensor& t = entry.result;
  t.name = in.read_string("a tensor's name");
  const auto rank = in.read<std::uint32_t>("a tensor's rank");
  if (rank == 0 || rank > 4)
    raise<format_error>(
        concat("GGUF: tensor '", t.name, "' has ", rank, " dimensions, 1 to 4 expected"));
  t.rows = 1;
  for (std::uint32_t d = 0; d < rank; ++d) {
    const auto extent = in.read<std::uint64_t>("a tensor's shape");
    if (extent == 0 || extent > (std::uint64_t{1} << 40))
      raise<format_error>(concat("GGUF: tensor '", t.name, "' has an extent of ", extent));
    if (d == 0)
      t.cols = static_cast<std::size_t>(extent);
    else
      t.rows = times(t.rows, extent);
  }
  const auto type = in.read<std::uint32_t>("a tensor's type");
  const tensor_type_info* info = info_of(type);
  if (info == nullptr)
    raise<format_error>(concat("GGUF: tensor '", t.name, "' has type ", type,
                               "; read are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL, "
                               "Q4_K, Q5_K and Q6_K"));
  if (t.cols % info->block != 0)
    raise<format_error>(concat("GGUF: tensor '", t.name, "' has rows of ", t.cols,
                               " elements, not a multiple of ", info->name, "'s ", info->block));
  t.type = static_cast<tensor_type>(type);
  t.bytes = times(times(t.cols / info->block, info->bytes), t.rows);
  entry.offset = in.read<std::uint64_t>("a tensor's offset");
  return entry;
}

// The header: a cursor behind it, and how many tensors and metadata values follow.
struct opened {
  cursor in;
  std::size_t tensors = 0, values = 0;
};

opened open(const std::byte* data, std::size_t size) {
  opened o{cursor(data, size)};
  if (o.in.read<std::uint32_t>("the magic") != 0x46554747u) {  // "GGUF"
    refuse_other_kind({reinterpret_cast<const char*>(data), size}, "GGUF: the file");
    raise<format_error>("GGUF: the file does not begin with 'GGUF'");
  }
  const auto version = o.in.read<std::uint32_t>("the version");
  if (version != 2 && version != 3)
    raise<format_error>(concat("GGUF: version 2 or 3 expected, got ", version,
                               version == 0x03000000u ? " (a big-endian file)" : ""));
  o.tensors = o.in.read_count(1, "tensors");
  o.values = o.in.read_count(1, "metadata values");
  return o;
}

std::vector<tensor> read_tensors(opened& o, const std::byte* data, std::size_t size,
                                 std::uint64_t alignment) {
  std::vector<tensor_entry> entries;
  for (std::size_t i = 0; i < o.tensors; ++i) entries.push_back(read_tensor(o.in));
  if (alignment == 0 || alignment > 65536 || (alignment & (alignment - 1)) != 0)
    raise<format_error>(concat("GGUF: the alignment must be a power of two, got ", alignment));
  const std::size_t begin = (o.in.position() + alignment - 1) / alignment * alignment;
  std::vector<tensor> tensors;
  for (tensor_entry& e : entries) {
    tensor& t = e.result;
    const std::size_t room = begin < size ? size - begin : 0;
    if (e.offset % alignment != 0 || e.offset > room || t.bytes > room - e.offset)
      raise<format_error>(concat("GGUF: tensor '", t.name, "' has ", t.bytes, " bytes at offset ",
                                 e.offset, ", outside the ", room, " bytes of data or unaligned"));
    t.data = data + begin + e.offset;
    tensors.push_back(std::move(t));
  }
  return tensors;
}

}  // namespace

gguf::gguf(const std::byte* data, std::size_t size, const part_reader& other) : model_file("GGUF") {
  opened o = open(data, size);
  for (std::size_t i = 0; i < o.values; ++i) {
    std::string key = o.in.read_string("a key");
    const std::size_t begin = o.in.position();
    metadata_value v = read_value(o.in);
    stored_.push_back({key, {data + begin, o.in.position() - begin}});
    add(std::move(key), std::move(v));
  }
  try {
    for (tensor& t : read_tensors(o, data, size, whole("general.alignment", 32))) add(std::move(t));
  } catch (const format_error&) {
    // What model it is comes before what is wrong with its tensors.
    if (value("general.architecture") != nullptr) check_architecture(*this);
    throw;
  }
  read_others(other);
  mark_heads();
}

// llama.cpp turns neighbouring rows of a head in some architectures, and its halves in others.
void gguf::mark_heads() {
  if (value("general.architecture") == nullptr) return;
  const family* kind = family_of_architecture(text("general.architecture"));
  if (kind == nullptr) return;
  if (!kind->in_gguf)
    raise<format_error>(concat("GGUF: llama.cpp defines no architecture '", kind->architecture,
                               "'; the checkpoint is read"));
  if (!kind->split_heads) return;
  const std::string prefix = std::string(kind->architecture) + ".";
  const std::uint64_t heads = whole(prefix + "attention.head_count");
  const std::uint64_t size = whole(prefix + "attention.key_length",
                                   heads == 0 ? 0 : whole(prefix + "embedding_length") / heads);
  split_heads(static_cast<std::size_t>(size));
}

void gguf::read_others(const part_reader& other) {
  const std::uint64_t parts = whole("split.count", 1), first = whole("split.no", 0);
  if (parts <= 1) return;
  if (first != 0 || parts > 65535)
    raise<format_error>(concat("GGUF: the file is part ", first + 1, " of ", parts,
                               " of a split model: the first part is what to read"));
  if (!other)
    raise<format_error>(concat("GGUF: the file is part 1 of ", parts, " of a split model"));
  for (std::size_t part = 1; part < parts; ++part) {
    const bytes_view bytes = other(part, static_cast<std::size_t>(parts));
    opened o = open(bytes.data, bytes.size);
    std::uint64_t number = 0, alignment = 32;
    for (std::size_t i = 0; i < o.values; ++i) {
      const std::string key = o.in.read_string("a key");
      const metadata_value v = read_value(o.in);
      std::uint64_t n = 0;
      if (const auto* u = std::get_if<std::uint64_t>(&v)) n = *u;
      if (const auto* s = std::get_if<std::int64_t>(&v)) n = static_cast<std::uint64_t>(*s);
      if (key == "split.no") number = n;
      if (key == "general.alignment") alignment = n;
    }
    if (number != part)
      raise<format_error>(concat("GGUF: part ", part + 1, " of ", parts, " of a split model says ",
                                 "that it is part ", number + 1));
    for (tensor& t : read_tensors(o, bytes.data, bytes.size, alignment)) add(std::move(t));
  }
  if (const std::uint64_t all = whole("split.tensors.count", tensors().size());
      all != tensors().size())
    raise<format_error>(concat("GGUF: the parts of a split model have ", tensors().size(),
                               " tensors, ", all, " expected"));
}

}  // namespace llama
