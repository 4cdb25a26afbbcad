// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "offsets.hpp"

#include <algorithm>

#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace sparsellm_ggml {

using namespace sparsellm;

offsets make_offsets(const std::vector<sparse_linear>& matrices,
                     const std::vector<const site_threshold*>& entries) {
  if (entries.front() == nullptr) return {};
  const std::vector<float>& centre = entries.front()->centre;
  const std::size_t outputs = matrices.front().shape().outputs;
  std::vector<float> bias;
  std::size_t first = 0;
  for (const site_threshold* entry : entries) {
    require<format_error>(entry->centre == centre, "threshold table: layer ", entry->where.layer,
                          ": one centre expected for all that read an input, ",
                          entry->where.projection, " has another than ",
                          entries.front()->where.projection);
    if (!entry->bias.empty()) {
      bias.resize(outputs, 0.0f);
      std::copy(entry->bias.begin(), entry->bias.end(),
                bias.begin() + static_cast<std::ptrdiff_t>(first));
    }
    first += entry->shape.outputs;
  }
  if (centre.empty()) return {{}, std::move(bias)};
  require<value_error>(matrices.size() == 1,
                       "threshold table: centres of experts are not supported");
  cpu::executor exec(1);
  std::vector<float> of_centre(outputs);
  matrices.front().dense(exec, vector_view<const float>(centre), vector_view<float>(of_centre));
  bias.resize(outputs, 0.0f);
  for (std::size_t o = 0; o < outputs; ++o) bias[o] += of_centre[o];
  return {centre, std::move(bias)};
}

}  // namespace sparsellm_ggml
