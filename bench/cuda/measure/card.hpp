// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The GPU that is measured, and what goes into every line about it: card, versions, clocks.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "cuda/measure/line.hpp"
#include "cuda/measure/shared_library.hpp"

namespace bench {

class card {
 public:
  // Of the current device. Throws sparsellm::device_error where there is none.
  card();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t l2_bytes() const noexcept { return l2_bytes_; }
  // Adds card, driver and runtime, and the clocks of this moment, null where NVIDIA's management
  // library is not there.
  void sign(line& to) const;
  // Everything that is known of it, as one line of the kind "facts".
  void print() const;

 private:
  using management_call = int (*)(void*, int, unsigned*);
  void find_clocks(int device);
  [[nodiscard]] double megahertz(int which) const;

  std::string name_, driver_, runtime_;
  int capability_ = 0, multiprocessors_ = 0;
  std::size_t l2_bytes_ = 0, memory_bytes_ = 0, free_bytes_ = 0;
  std::unique_ptr<shared_library> management_;
  management_call clock_ = nullptr;
  void* handle_ = nullptr;
};

}  // namespace bench
