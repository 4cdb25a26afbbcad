// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "ptx_types.hpp"

#include <unordered_map>

namespace cudasim {

Ty parse_type(std::string_view s) {
  static const std::unordered_map<std::string_view, Ty> map = {
      {"pred", Ty::Pred},   {"b8", Ty::B8},         {"b16", Ty::B16},       {"b32", Ty::B32},
      {"b64", Ty::B64},     {"b128", Ty::B128},     {"u8", Ty::U8},         {"u16", Ty::U16},
      {"u32", Ty::U32},     {"u64", Ty::U64},       {"s8", Ty::S8},         {"s16", Ty::S16},
      {"s32", Ty::S32},     {"s64", Ty::S64},       {"f16", Ty::F16},       {"bf16", Ty::BF16},
      {"f16x2", Ty::F16x2}, {"bf16x2", Ty::BF16x2}, {"f32", Ty::F32},       {"f64", Ty::F64},
      {"tf32", Ty::TF32},   {"f32x2", Ty::F32x2},   {"u16x2", Ty::U16x2},   {"s16x2", Ty::S16x2},
      {"e4m3", Ty::E4M3},   {"e5m2", Ty::E5M2},     {"e4m3x2", Ty::E4M3x2}, {"e5m2x2", Ty::E5M2x2},
      {"u4", Ty::U4},       {"s4", Ty::S4},         {"b1", Ty::B1},
  };
  auto it = map.find(s);
  return it == map.end() ? Ty::None : it->second;
}

}  // namespace cudasim
