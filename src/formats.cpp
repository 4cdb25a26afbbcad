// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What any_weight knows of each format. The products it names are declared here and defined in the
// other files.
#undef SPARSELLM_COMPILED_SOURCE
#define SPARSELLM_COMPILED
#include "sparsellm/model/any_format_table.hpp"

namespace SPARSELLM_PRODUCTS {

template const any_format* find_format<void>(weight_format) noexcept;

}  // namespace SPARSELLM_PRODUCTS
