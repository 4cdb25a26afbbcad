// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The tests' small model in a file, and loaded from it.
#pragma once

#include <cstddef>

#include "llama/gguf_builder.hpp"
#include "llama/quiet.hpp"
#include "model/model.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

struct loaded_tiny {
  explicit loaded_tiny(const tiny_options& o = {},
                       const llama::load_options& load = {sparsellm::element_kind::f32},
                       std::size_t threads = 2)
      : file(tiny_model(o).bytes()), exec(threads), m(exec, file.path(), load, quiet) {}
  temporary_file file;
  sparsellm::cpu::executor exec;
  llama::model m;
};
