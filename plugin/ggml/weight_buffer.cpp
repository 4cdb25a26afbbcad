// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "weight_buffer.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "projection.hpp"
#include "tensor_stack.hpp"
#include "waiting_tensors.hpp"

namespace sparsellm_ggml {

namespace {

constexpr std::size_t alignment = 64;

// The range of addresses of a buffer. Pages that nobody touches cost nothing: those of packed
// weights, but for the one with the address.
class storage {
 public:
  explicit storage(std::size_t size)
      : size_(size),
        base_(::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
        packed_(size / (alignment * bits) + 1) {}
  storage(const storage&) = delete;
  storage& operator=(const storage&) = delete;
  ~storage() {
    weights_.clear();
    write_counts();
    if (there()) ::munmap(base_, size_);
  }
  [[nodiscard]] bool there() const noexcept { return base_ != MAP_FAILED; }
  [[nodiscard]] void* base() const noexcept { return base_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // The buffer has this tensor, which is not set yet.
  void expect(const ggml_tensor& tensor) {
    const std::lock_guard lock(mutex_);
    waiting_.expect(tensor);
  }
  // Packs the tensor, or keeps its bytes until those that it is packed with are there.
  void set(const ggml_tensor& tensor, const void* data) {
    const std::lock_guard lock(mutex_);
    const tensor_bytes now{&tensor, static_cast<const std::byte*>(data)};
    if (!waiting_.waits(tensor)) return pack({now});
    const std::vector<waiting_tensor> before = waiting_.add(tensor, data);
    if (!before.empty()) pack(stack_of_all(before, now));
    some_wait_ = waiting_.any();
  }
  // Whether a weight was packed at that address. Nothing waits any longer once that is asked of a
  // tensor that does: llama.cpp sets all of a model's before it plans a graph.
  [[nodiscard]] bool has_packed(const void* data) {
    const std::size_t at = place_of(data);
    if (at >= size_ / alignment) return false;
    const auto is_there = [&] {
      return (packed_[at / bits].load(std::memory_order_acquire) >> at % bits & 1) != 0;
    };
    if (is_there()) return true;
    if (!some_wait_.load(std::memory_order_acquire)) return false;
    pack_waiting();
    return is_there();
  }
  // Everything that was packed is dropped and the range reads as `value`.
  void clear(int value) {
    const std::lock_guard lock(mutex_);
    weights_.clear();
    waiting_.clear();
    some_wait_ = false;
    for (std::atomic<std::uint64_t>& word : packed_) word = 0;
    // Zeros come with fresh pages, without touching any.
    if (value == 0)
      ::madvise(base_, size_, MADV_DONTNEED);
    else
      std::memset(base_, value, size_);
  }

 private:
  static constexpr std::size_t bits = 64;

  [[nodiscard]] std::size_t place_of(const void* data) const noexcept {
    return (reinterpret_cast<std::uintptr_t>(data) - reinterpret_cast<std::uintptr_t>(base_)) /
           alignment;
  }

  // In the order of their addresses, whichever came last.
  [[nodiscard]] static std::vector<tensor_bytes> stack_of_all(
      const std::vector<waiting_tensor>& before, tensor_bytes now) {
    std::vector<tensor_bytes> all{now};
    for (const waiting_tensor& t : before) all.push_back({&t.tensor, t.bytes.data()});
    std::sort(all.begin(), all.end(), [](const tensor_bytes& a, const tensor_bytes& b) {
      return a.tensor->data < b.tensor->data;
    });
    return all;
  }
  void pack_waiting() {
    const std::lock_guard lock(mutex_);
    const std::vector<waiting_tensor> late = waiting_.take_all();
    for (const waiting_tensor& t : late) pack({{&t.tensor, t.bytes.data()}});
    some_wait_ = false;
  }
  void pack(std::vector<tensor_bytes> tensors) {
    const tensor_stack stack(std::move(tensors));
    const auto weight = std::make_shared<packed_weight>(stack);
    for (std::size_t p = 0; p < stack.tensors().size(); ++p) {
      void* const address = stack.tensors()[p].tensor->data;
      weights_[address] = weight;
      const packed_part part{weight.get(), p};
      std::memcpy(address, &part, sizeof part);
      const std::size_t at = place_of(address);
      packed_[at / bits].fetch_or(std::uint64_t{1} << at % bits, std::memory_order_release);
    }
  }

  std::size_t size_;
  void* base_;
  std::vector<std::atomic<std::uint64_t>>
      packed_;  // a bit for each place that a tensor may begin at
  std::mutex mutex_;
  std::map<const void*, std::shared_ptr<packed_weight>> weights_;
  waiting_tensors waiting_;
  std::atomic<bool> some_wait_{false};
};

storage& storage_of(ggml_backend_buffer_t buffer) {
  return *static_cast<storage*>(buffer->context);
}

void set_tensor(ggml_backend_buffer_t buffer, ggml_tensor* tensor, const void* data,
                std::size_t offset, std::size_t size) {
  if (!is_taken(*tensor)) {
    std::memcpy(static_cast<char*>(tensor->data) + offset, data, size);
    return;
  }
  if (offset != 0 || size != ggml_nbytes(tensor))
    GGML_ABORT("sparsellm: %s: %zu bytes expected at once, got %zu at %zu", tensor->name,
               ggml_nbytes(tensor), size, offset);
  try {
    storage_of(buffer).set(*tensor, data);
  } catch (const std::exception& e) {
    GGML_ABORT("sparsellm: %s: %s", tensor->name, e.what());
  }
}

void get_tensor(ggml_backend_buffer_t, const ggml_tensor* tensor, void* data, std::size_t offset,
                std::size_t size) {
  if (is_taken(*tensor))
    GGML_ABORT("sparsellm: %s: a packed weight is not read back", tensor->name);
  std::memcpy(data, static_cast<const char*>(tensor->data) + offset, size);
}

const ggml_backend_buffer_i buffer_functions = [] {
  ggml_backend_buffer_i f{};
  f.free_buffer = [](ggml_backend_buffer_t buffer) { delete &storage_of(buffer); };
  f.get_base = [](ggml_backend_buffer_t buffer) { return storage_of(buffer).base(); };
  f.memset_tensor = [](ggml_backend_buffer_t, ggml_tensor* tensor, std::uint8_t value,
                       std::size_t offset, std::size_t size) {
    std::memset(static_cast<char*>(tensor->data) + offset, value, size);
  };
  f.init_tensor = [](ggml_backend_buffer_t buffer, ggml_tensor* tensor) {
    if (tensor->view_src == nullptr && is_taken(*tensor)) storage_of(buffer).expect(*tensor);
    return GGML_STATUS_SUCCESS;
  };
  f.set_tensor = set_tensor;
  f.get_tensor = get_tensor;
  f.clear = [](ggml_backend_buffer_t buffer, std::uint8_t value) {
    storage_of(buffer).clear(value);
  };
  return f;
}();

ggml_backend_buffer_t allocate(ggml_backend_buffer_type_t type, std::size_t size) {
  auto context = std::make_unique<storage>(size);
  if (!context->there()) return nullptr;  // ggml's way to say that there is no memory
  return ggml_backend_buffer_init(type, buffer_functions, context.release(), size);
}

}  // namespace

ggml_backend_buffer_type& weight_buffer_type() {
  static ggml_backend_buffer_type type = [] {
    ggml_backend_buffer_type t{};
    t.iface.get_name = [](ggml_backend_buffer_type_t) { return "SPARSELLM"; };
    t.iface.alloc_buffer = allocate;
    t.iface.get_alignment = [](ggml_backend_buffer_type_t) { return alignment; };
    return t;
  }();
  return type;
}

namespace {

const ggml_tensor& whole(const ggml_tensor& tensor) noexcept {
  return tensor.view_src != nullptr ? *tensor.view_src : tensor;
}

}  // namespace

bool in_weight_buffer(const ggml_tensor& tensor) {
  const ggml_backend_buffer_t buffer = whole(tensor).buffer;
  return buffer != nullptr && buffer->buft == &weight_buffer_type();
}

bool keeps_packed(const ggml_tensor& tensor) {
  return in_weight_buffer(tensor) && is_taken(whole(tensor));
}

bool holds_packed(const ggml_tensor& tensor) {
  if (!in_weight_buffer(tensor)) return false;
  const ggml_tensor& of = whole(tensor);
  // llama.cpp's empty buffers, which it asks with, have no storage.
  return of.buffer->context != nullptr && storage_of(of.buffer).has_packed(of.data);
}

packed_part packed_in(const ggml_tensor& tensor) {
  packed_part part;
  if (tensor.view_src == nullptr && holds_packed(tensor))
    std::memcpy(&part, tensor.data, sizeof part);
  return part;
}

}  // namespace sparsellm_ggml
