// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A library that is looked for when the program runs, so that the program starts where it is not.
#pragma once

#include <string>
#include <vector>

namespace bench {

// Stays loaded until the program ends: what it set up on the device is not to go before.
class shared_library {
 public:
  // The first of the names that the system's loader finds (LD_LIBRARY_PATH among its places).
  // Throws sparsellm::error, which says what the loader did.
  explicit shared_library(const std::vector<std::string>& names);
  shared_library(const shared_library&) = delete;

  // F: a pointer to a function. Throws sparsellm::error when the library has none of that name.
  template <class F>
  void take(F& function, const char* name) const {
    function = reinterpret_cast<F>(symbol(name));
  }
  // The file it was found in; needs the name of any of its functions.
  [[nodiscard]] std::string file(const char* symbol_name) const;

 private:
  [[nodiscard]] void* symbol(const char* name) const;
  void* handle_ = nullptr;
};

}  // namespace bench
