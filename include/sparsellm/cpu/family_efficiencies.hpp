// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Layout efficiencies of the processors that this library was measured on. A family is who made the
// processor and the least instruction set that it has: what runs products of one token is the same
// on the sets above.
#pragma once

#include <string_view>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/isa/isa.hpp"
#include "sparsellm/cpu/isa/processor.hpp"
#include "sparsellm/pack/layout_efficiencies.hpp"

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// A row of the table: efficiencies at 50 % skipped, of every shape and element that was measured
// the lowest at its run or a longer one, rounded down.
struct processor_family {
  std::string_view vendor;  // as processor_vendor() says
  isa weakest;
  layout_efficiencies efficiencies;
};

// Every family that was measured.
[[nodiscard]] inline const std::vector<processor_family>& measured_families() {
  // clang-format off
  static const std::vector<processor_family> rows{
      // begin rows (script/layout-rows)
      // gemv.json: AMD EPYC, 2 threads
      {"AuthenticAMD", isa::avx512_bf16,
       {{1152, {{1152, 0.67}, {2048, 0.67}, {3072, 0.71}, {8192, 0.71}, {22016, 0.74}, {28672, 0.79}}},
        {288, {{288, 0.5}, {4096, 0.5}, {5504, 0.52}, {14336, 0.52}}},
        {288, {{288, 0.5}, {4096, 0.5}, {5504, 0.52}, {14336, 0.52}}}}},
      // batches.json: Intel(R) Xeon(R) Processor, 2 threads
      {"GenuineIntel", isa::avx512_bf16,
       {{1152, {{1152, 0.77}, {2304, 0.93}, {8192, 0.95}, {16384, 0.98}, {28672, 0.98}, {57344, 1.0}}},
        {288, {{288, 0.64}, {576, 0.7}, {2048, 0.76}, {4096, 0.94}, {7168, 0.95}, {14336, 1.0}}},
        {288, {{288, 0.61}, {432, 0.63}, {2048, 0.63}, {3072, 0.91}, {7168, 0.93}, {10752, 1.0}}}}},
      // end rows
  };
  // clang-format on
  return rows;
}

// The efficiencies of a processor of this vendor whose products use the instruction set:
// default_efficiencies() where no such family was measured.
[[nodiscard]] inline const layout_efficiencies& family_efficiencies(
    isa used = default_isa(), std::string_view vendor = processor_vendor()) {
  for (const processor_family& f : measured_families())
    if (f.vendor == vendor && used >= f.weakest) return f.efficiencies;
  return default_efficiencies();
}

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE
