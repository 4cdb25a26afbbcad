// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the library throws, and the one function that throws it. Messages say what was expected
// and what came. Kernels never come here: they are noexcept and check nothing.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "sparsellm/core/config.hpp"
#if !SPARSELLM_HAS_EXCEPTIONS
#include <atomic>
#include <exception>
#endif

namespace sparsellm::inline v0 {

// Base of all the library's exceptions.
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Extents that do not fit together, zero sizes, indices out of range.
struct shape_error : error {
  using error::error;
};
// A number outside its range: a sparsity outside [0, 1), NaN where none may be.
struct value_error : error {
  using error::error;
};
// Text or bytes that do not follow their format, or describe another model.
struct format_error : error {
  using error::error;
};
// A file that cannot be opened, read, written or renamed.
struct file_error : error {
  using error::error;
};

#if !SPARSELLM_HAS_EXCEPTIONS
// With -fno-exceptions every error goes to this handler, which must not return.
using error_handler = void (*)(const char* what);
inline std::atomic<error_handler> on_error{nullptr};
#endif

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Appends a part of a message: text, or a number with at most six digits after its first one. No
// stream: its header is among the heaviest, and every file that includes the library would read it.
inline void append(std::string& to, std::string_view part) { to += part; }
inline void append(std::string& to, char part) { to += part; }
template <std::floating_point T>
void append(std::string& to, T part) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, part, std::chars_format::general, 6).ptr;
  to.append(text, static_cast<std::size_t>(end - text));
}
template <std::integral T>
void append(std::string& to, T part) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, part).ptr;
  to.append(text, static_cast<std::size_t>(end - text));
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Throws Error, or calls on_error and stops the program where there are no exceptions.
template <class Error>
[[noreturn]] inline void raise(const std::string& what) {
#if SPARSELLM_HAS_EXCEPTIONS
  throw Error(what);
#else
  if (const error_handler handler = on_error.load()) handler(what.c_str());
  std::terminate();
#endif
}

// The parts, joined.
template <class... Parts>
[[nodiscard]] std::string concat(const Parts&... parts) {
  std::string text;
  (detail::append(text, parts), ...);
  return text;
}

// Throws Error with the parts joined into one sentence unless `holds`. The sentence is only
// built when it is needed.
template <class Error, class... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) raise<Error>(concat(parts...));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
