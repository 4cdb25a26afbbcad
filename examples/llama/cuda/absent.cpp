// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What stands in for this folder in a program that is built without a CUDA compiler.
#include "cuda/session.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

namespace {

[[noreturn]] void no_device() {
  sparsellm::raise<sparsellm::value_error>(
      "--device cuda: this program was built without a CUDA compiler");
}

}  // namespace

std::unique_ptr<decoder> make_cuda_session(const model&, std::size_t, std::size_t) { no_device(); }

std::unique_ptr<batch_decoder> make_cuda_sequences(const model&, std::size_t, std::size_t) {
  no_device();
}

sparsellm::channel_order search_cuda_order(sparsellm::matrix_view<const float>, const shuffling&) {
  no_device();
}

std::unique_ptr<observed_text> make_cuda_text(sparsellm::cpu::executor&, model&,
                                              const std::vector<window>&, std::size_t) {
  no_device();
}

}  // namespace llama
