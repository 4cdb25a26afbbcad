// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "product.hpp"

#include <cstddef>
#include <cstdint>
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
  if (!is_product_op(node.op) || !in_weight_buffer(*node.src[0])) return false;
  const ggml_tensor& weight = *node.src[0];
  if (!is_taken(weight)) {
    left(weight.name, why_left(weight));
    return false;
  }
  return is_of_experts(weight) == (node.op == GGML_OP_MUL_MAT_ID) && has_rows(*node.src[1]) &&
         has_rows(node);
}

bool plan_product(ggml_tensor& node) {
  const auto [weight, part] = packed_in(*node.src[0]);
  if (weight == nullptr) return true;
  const std::int64_t tokens =
      node.op == GGML_OP_MUL_MAT_ID ? node.src[1]->ne[2] : ggml_nrows(node.src[1]);
  if (ggml_tensor* const copy = weight->instead_for(static_cast<std::size_t>(tokens), part)) {
    node.src[0] = copy;
    return false;
  }
  weight->plan(node, part);
  return true;
}

void run_product(const void* pool, int member, int members, ggml_tensor& node) {
  const packed_part packed = packed_in(*node.src[0]);
  if (packed.weight == nullptr)
    GGML_ABORT("sparsellm: %s: multiplied before it was set", node.src[0]->name);
  the_gangs().enter(pool, static_cast<std::size_t>(member), static_cast<std::size_t>(members),
                    [&](sparsellm::cpu::gang_executor& gang) {
                      try {
                        summarise();
                        packed.weight->multiply(gang, node, packed.part);
                      } catch (const std::exception& e) {  // ggml is C: nothing may pass through it
                        GGML_ABORT("sparsellm: %s: %s", node.src[0]->name, e.what());
                      }
                    });
}

}  // namespace sparsellm_ggml
