// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The layout efficiencies of several machines, and the text file that keeps them:
//
//   sparsellm layout efficiencies 1
//   machine Intel(R) Xeon(R) Processor, avx512_bf16, 2 threads
//   floats 384 384:0.6 2048:0.8 8192:0.95
//   quantized 256 256:0.5 1024:0.7
//   super_blocks 256 256:0.5
//
// A class's line has the shortest run that is skipped, then points of run bytes and efficiency.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"
#include "sparsellm/pack/layout_efficiencies.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Efficiencies by machine, each of which has a name and stands once.
class efficiency_table {
 public:
  // What is known of a machine.
  struct row {
    std::string machine;
    layout_efficiencies efficiencies;
  };

  // In the order in which they were added.
  [[nodiscard]] const std::vector<row>& rows() const noexcept { return rows_; }
  // nullptr: none of this machine.
  [[nodiscard]] const layout_efficiencies* find(std::string_view machine) const noexcept {
    for (const row& r : rows_)
      if (r.machine == machine) return &r.efficiencies;
    return nullptr;
  }
  // Adds the machine, or replaces what was said of it. Throws value_error unless the name is 1 to
  // 256 characters without controls, or spaces at its ends.
  void set(std::string machine, layout_efficiencies efficiencies) {
    bool printable = true;
    for (const char c : machine) printable = printable && static_cast<unsigned char>(c) >= 0x20;
    require<value_error>(printable && !machine.empty() && machine.size() <= 256 &&
                             machine.front() != ' ' && machine.back() != ' ',
                         "efficiency_table: the name of a machine is 1 to 256 characters without "
                         "controls, or spaces at its ends; got '",
                         machine, "'");
    for (row& r : rows_)
      if (r.machine == machine) {
        r.efficiencies = std::move(efficiencies);
        return;
      }
    rows_.push_back({std::move(machine), std::move(efficiencies)});
  }

 private:
  std::vector<row> rows_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

inline constexpr std::string_view efficiency_header = "sparsellm layout efficiencies 1";

// Reads one text line by line. Borrows it, and what errors call it.
class efficiency_parser {
 public:
  efficiency_parser(std::string_view text, std::string_view called)
      : text_(text), called_(called) {}

  [[nodiscard]] efficiency_table parse() {
    next_line();
    if (line_ != efficiency_header) fail(concat("'", efficiency_header, "'"));
    efficiency_table table;
    for (next_line(); !ended_; next_line()) {
      constexpr std::string_view key = "machine ";
      if (!line_.starts_with(key)) fail("'machine' and its name");
      const std::string machine(line_.substr(key.size()));
      if (table.find(machine) != nullptr) fail("every machine once");
      efficiency_curve floats = curve(element_class::floats);
      efficiency_curve quantized = curve(element_class::quantized);
      efficiency_curve super_blocks = curve(element_class::super_blocks);
      said([&] {
        table.set(machine, {std::move(floats), std::move(quantized), std::move(super_blocks)});
      });
    }
    return table;
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    raise<format_error>(concat(called_, ", line ", number_, ": ", expected, " expected, got ",
                               ended_ ? "the end" : concat("'", line_, "'")));
  }
  // What is refused by a value's own check is told with its line.
  template <class Body>
  void said(const Body& body) const {
#if SPARSELLM_HAS_EXCEPTIONS
    try {
      body();
    } catch (const value_error& e) {
      raise<format_error>(concat(called_, ", line ", number_, ": ", e.what()));
    }
#else
    body();
#endif
  }
  void next_line() {
    ++number_;
    ended_ = text_.empty();
    const std::size_t end = text_.find('\n');
    line_ = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
  }
  // Takes a number and what ends it off the front of the line's rest.
  template <class T>
  [[nodiscard]] T take(std::string_view& rest, char end) const {
    T value{};
    const auto [at, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    const auto used = static_cast<std::size_t>(at - rest.data());
    const bool last = used == rest.size() && end == ' ';
    if (error != std::errc() || (!last && (used == rest.size() || rest[used] != end)))
      fail(end == ':' ? "the bytes of a run and ':'" : "a number");
    rest.remove_prefix(last ? used : used + 1);
    return value;
  }
  [[nodiscard]] efficiency_curve curve(element_class c) {
    next_line();
    const std::string key = concat(name(c), " ");
    if (ended_ || !line_.starts_with(key)) fail(concat("'", name(c), "' and its numbers"));
    std::string_view rest = line_.substr(key.size());
    const auto shortest = take<std::size_t>(rest, ' ');
    std::vector<efficiency_curve::point> points;
    while (!rest.empty()) {
      const auto run = take<std::size_t>(rest, ':');
      points.push_back({run, take<double>(rest, ' ')});
    }
    std::vector<efficiency_curve> made;
    said([&] { made.emplace_back(shortest, std::move(points)); });
    return std::move(made.front());
  }

  std::string_view text_, called_, line_;
  std::size_t number_ = 0;
  bool ended_ = false;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The table that a file's text says. Throws format_error with the line for anything else.
[[nodiscard]] inline efficiency_table parse_efficiencies(std::string_view text) {
  return detail::efficiency_parser(text, "layout efficiencies").parse();
}

// What parse_efficiencies() reads, to the bit.
[[nodiscard]] inline std::string to_text(const efficiency_table& table) {
  std::string text = concat(detail::efficiency_header, "\n");
  for (const efficiency_table::row& r : table.rows()) {
    text += concat("machine ", r.machine, "\n");
    for (const element_class c : all_element_classes) {
      const efficiency_curve& curve = r.efficiencies.of(c);
      text += concat(name(c), " ", curve.shortest_run());
      for (const efficiency_curve::point& p : curve.points()) {
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, p.efficiency).ptr;
        text += concat(" ", p.run_bytes, ":", std::string_view(digits, end));
      }
      text += '\n';
    }
  }
  return text;
}

// Of a file. Throws file_error, and format_error with the file's name and line.
[[nodiscard]] inline efficiency_table load_efficiencies(const std::string& path) {
  return detail::efficiency_parser(read_file(path), concat("'", path, "'")).parse();
}

// The whole file or none (core/output_file.hpp). Throws file_error.
inline void save_efficiencies(const efficiency_table& table, const std::string& path) {
  replace_file(path, to_text(table));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
