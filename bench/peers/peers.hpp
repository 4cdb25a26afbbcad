// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Other libraries' dense product, behind one interface. Each is compiled in when CMake finds it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "sparsellm/core/views.hpp"

namespace bench {

struct peer_gemv {
  virtual ~peer_gemv() = default;
  [[nodiscard]] virtual std::string name() const = 0;  // "onednn/bf16"
  [[nodiscard]] virtual std::string version() const = 0;
  // Of one weight, as it is read.
  [[nodiscard]] virtual double bytes(sparsellm::extents shape) const = 0;
  // Makes the rotating weights, in the layout the library likes best, and sets its threads.
  virtual void prepare(sparsellm::extents shape, std::size_t threads) = 0;
  virtual void run(const float* x, float* y) = 0;
};

[[nodiscard]] const std::vector<std::shared_ptr<peer_gemv>>& peers();

void add_eigen(std::vector<std::shared_ptr<peer_gemv>>& to);
void add_ggml(std::vector<std::shared_ptr<peer_gemv>>& to);
void add_onednn(std::vector<std::shared_ptr<peer_gemv>>& to);
void add_openblas(std::vector<std::shared_ptr<peer_gemv>>& to);

}  // namespace bench
