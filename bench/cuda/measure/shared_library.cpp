// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
#include "cuda/measure/shared_library.hpp"

#include <dlfcn.h>

#include "sparsellm/core/error.hpp"

namespace bench {

shared_library::shared_library(const std::vector<std::string>& names) {
  std::string said;
  for (const std::string& name : names) {
    handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) return;
    if (const char* why = dlerror()) (said += said.empty() ? "" : "; ") += why;
  }
  sparsellm::raise<sparsellm::error>(said);
}

void* shared_library::symbol(const char* name) const {
  void* const found = dlsym(handle_, name);
  sparsellm::require<sparsellm::error>(found != nullptr, "no function ", name, " in the library");
  return found;
}

std::string shared_library::file(const char* symbol_name) const {
  Dl_info info{};
  return dladdr(symbol(symbol_name), &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

}  // namespace bench
