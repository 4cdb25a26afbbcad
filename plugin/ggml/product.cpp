// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "product.hpp"

#include <exception>

#include "gangs.hpp"
#include "log.hpp"
#include "packed_weight.hpp"
#include "projection.hpp"
#include "weight_buffer.hpp"

namespace sparsellm_ggml {

namespace {

// Rows of floats, each without gaps.
bool has_rows(const ggml_tensor& t) {
  return t.type == GGML_TYPE_F32 && t.nb[0] == sizeof(float) && t.nb[1] % sizeof(float) == 0;
}

}  // namespace

bool is_product(const ggml_tensor& node) {
  if (node.op != GGML_OP_MUL_MAT || !in_weight_buffer(*node.src[0])) return false;
  if (!is_taken(*node.src[0])) {
    left(node.src[0]->name, why_left(*node.src[0]));
    return false;
  }
  return has_rows(*node.src[1]) && has_rows(node);
}

bool hand_to_ggml(ggml_tensor& node) {
  const packed_weight* const weight = packed_in(*node.src[0]);
  ggml_tensor* const copy =
      weight == nullptr ? nullptr
                        : weight->instead_for(static_cast<std::size_t>(ggml_nrows(node.src[1])));
  if (copy == nullptr) return false;
  node.src[0] = copy;
  return true;
}

void run_product(const void* pool, int member, int members, ggml_tensor& node) {
  packed_weight* const weight = packed_in(*node.src[0]);
  if (weight == nullptr)
    GGML_ABORT("sparsellm: %s: multiplied before it was set", node.src[0]->name);
  the_gangs().enter(pool, static_cast<std::size_t>(member), static_cast<std::size_t>(members),
                    [&](sparsellm::cpu::gang_executor& gang) {
                      try {
                        summarise();
                        weight->multiply(gang, node);
                      } catch (const std::exception& e) {  // ggml is C: nothing may pass through it
                        GGML_ABORT("sparsellm: %s: %s", node.src[0]->name, e.what());
                      }
                    });
}

}  // namespace sparsellm_ggml
