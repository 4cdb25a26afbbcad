// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "commands/own_text.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "commands/terminal.hpp"
#include "model/generation.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace llama {

using nlohmann::ordered_json;

namespace {

// Each has a cache of a whole window: more would take more memory than calibrating does.
constexpr std::size_t side_by_side = 2;
constexpr double temperatures[] = {0.7, 1.0};

// Empty when the system says no place.
std::filesystem::path cache_directory() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  if (!variable("SPARSELLM_CACHE").empty()) return variable("SPARSELLM_CACHE");
  if (!variable("XDG_CACHE_HOME").empty()) return variable("XDG_CACHE_HOME") / "sparsellm";
  return variable("HOME").empty() ? std::filesystem::path() : variable("HOME") / ".cache/sparsellm";
}

// Nothing for a file that is none of ours, which is written anew.
std::vector<window> read_kept(const std::filesystem::path& path, std::size_t length,
                              std::size_t vocabulary) {
  if (path.empty() || !std::filesystem::exists(path)) return {};
  try {
    const ordered_json j = ordered_json::parse(sparsellm::read_file(path.string()));
    if (j.at("format") != "sparsellm-own-text" || j.at("version") != 1) return {};
    const std::vector<window> windows = j.at("windows");
    for (const window& w : windows) {
      if (w.size() != length) return {};
      for (const std::int32_t id : w)
        if (id < 0 || static_cast<std::size_t>(id) >= vocabulary) return {};
    }
    return windows;
  } catch (const std::exception&) {
    return {};
  }
}

// What cannot be kept is written again another time.
void keep(const std::filesystem::path& path, const std::vector<window>& windows) {
  if (path.empty()) return;
  try {
    std::filesystem::create_directories(path.parent_path());
    const ordered_json j{{"format", "sparsellm-own-text"}, {"version", 1}, {"windows", windows}};
    sparsellm::replace_file(path.string(), j.dump() + "\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "the model's own text is not kept: %s\n", e.what());
  }
}

// Numbers [first, first + side_by_side).
std::vector<window> write_sequences(setup& s, const options& o, std::size_t first,
                                    std::size_t length, const progress& report) {
  const std::int32_t begin =
      s.tokenizer.bos() >= 0 ? s.tokenizer.bos() : std::max(s.tokenizer.eos(), 0);
  const std::unique_ptr<batch_decoder> writer = make_batch_decoder(s, o, side_by_side, length);
  std::vector<sampler> samplers;
  for (std::size_t i = first; i < first + side_by_side; ++i)
    samplers.emplace_back(temperatures[i % std::size(temperatures)], o.seed + i);
  std::vector<window> windows(side_by_side, window{begin});
  sparsellm::buffer<float> logits(side_by_side * s.model.shape().vocabulary);
  const rows out(logits.data(), side_by_side, s.model.shape().vocabulary);
  std::vector<std::int32_t> last(side_by_side, begin);
  for (std::size_t t = 1; t < length; ++t) {
    writer->step(last, true, out);
    s.exec.parallel_for(side_by_side,
                        [&](std::size_t i) { last[i] = samplers[i].pick(out.row(i)); });
    for (std::size_t i = 0; i < side_by_side; ++i) windows[i].push_back(last[i]);
    report(static_cast<double>(t + 1) / static_cast<double>(length));
  }
  return windows;
}

}  // namespace

std::vector<window> own_windows(setup& s, const options& o, std::size_t tokens) {
  const std::size_t length = std::min(o.window, s.model.shape().context);
  const std::size_t wanted = std::max<std::size_t>((tokens + length - 1) / length, 1);
  const std::filesystem::path directory = cache_directory();
  const std::string file = sparsellm::concat("own-text-", s.model.identity().weight_hash, "-",
                                             o.weights, "-", length, "-", o.seed, ".json");
  const std::filesystem::path path = directory.empty() ? directory : directory / file;
  std::vector<window> windows = read_kept(path, length, s.model.shape().vocabulary);
  windows.resize(windows.size() / side_by_side * side_by_side);
  const std::size_t before = windows.size();
  const progress report = show_progress("the model writes its calibration text");
  while (windows.size() < wanted) {
    const auto done = static_cast<double>(windows.size() - before);
    for (window& w : write_sequences(s, o, windows.size(), length, [&](double share) {
           report((done + share * side_by_side) / static_cast<double>(wanted - before));
         }))
      windows.push_back(std::move(w));
    keep(path, windows);
  }
  windows.resize(wanted);
  return windows;
}

}  // namespace llama
