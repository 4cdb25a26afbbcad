// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tensors that are to be packed as one weight and do not come at once: the first wait, as copies of
// their bytes, for the last, which is packed from where it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ggml.h"
#include "projection.hpp"

namespace sparsellm_ggml {

struct waiting_tensor {
  ggml_tensor tensor;
  std::vector<std::byte> bytes;
};

class waiting_tensors {
 public:
  // The buffer has this tensor. Told of all before any is set, or of none: each is then by itself.
  void expect(const ggml_tensor& tensor) {
    const std::string name = stack_of(tensor);
    if (!name.empty()) stacks_[name].expected.push_back(tensor.data);
  }
  // The tensor's bytes were set. Gives those that waited for it when it is the last of its stack;
  // else nothing, and it waits too.
  [[nodiscard]] std::vector<waiting_tensor> add(const ggml_tensor& tensor, const void* data) {
    stack& s = stacks_[stack_of(tensor)];
    std::erase_if(s.there, [&](const waiting_tensor& w) { return w.tensor.data == tensor.data; });
    if (s.there.size() + 1 == s.expected.size()) return take(s);
    const auto* const bytes = static_cast<const std::byte*>(data);
    s.there.push_back({tensor, {bytes, bytes + ggml_nbytes(&tensor)}});
    return {};
  }
  // Whether the tensor has others to wait for, and was not set before.
  [[nodiscard]] bool waits(const ggml_tensor& tensor) const {
    const auto found = stacks_.find(stack_of(tensor));
    if (found == stacks_.end() || found->second.expected.size() < 2) return false;
    const std::vector<const void*>& expected = found->second.expected;
    return std::find(expected.begin(), expected.end(), tensor.data) != expected.end();
  }
  // What still waits, which is not to wait any longer.
  [[nodiscard]] std::vector<waiting_tensor> take_all() {
    std::vector<waiting_tensor> all;
    for (auto& [name, s] : stacks_)
      for (waiting_tensor& w : take(s)) all.push_back(std::move(w));
    return all;
  }
  [[nodiscard]] bool any() const {
    return std::any_of(stacks_.begin(), stacks_.end(),
                       [](const auto& s) { return !s.second.there.empty(); });
  }
  void clear() { stacks_.clear(); }

 private:
  struct stack {
    std::vector<const void*> expected;  // addresses
    std::vector<waiting_tensor> there;
  };
  // A tensor that is set once more is by itself.
  static std::vector<waiting_tensor> take(stack& s) {
    s.expected.clear();
    return std::exchange(s.there, {});
  }

  std::map<std::string, stack> stacks_;
};

}  // namespace sparsellm_ggml
