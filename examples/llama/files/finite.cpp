// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/finite.hpp"

#include <cmath>
#include <vector>

#include "files/dequantize.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

void require_finite(const model_file& file, const tensor& t, std::size_t r,
                    sparsellm::vector_view<const float> values) {
  for (std::size_t c = 0; c < values.size(); ++c)
    if (!std::isfinite(values[c]))
      sparsellm::raise<sparsellm::format_error>(
          sparsellm::concat("model: the tensor '", file.name_in_file(t.name), "' has ", values[c],
                            " at [", t.stored_row(r), ", ", c, "], a finite number expected"));
}

void require_finite(const model_file& file, const tensor& t) {
  std::vector<float> row(t.cols);
  for (std::size_t r = 0; r < t.rows; ++r) {
    dequantize_row(t, r, row);
    require_finite(file, t, r, sparsellm::vector_view<const float>(row));
  }
}

}  // namespace llama
