// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// A sequence that goes on from where another stands: windows whose first half is dense whatever
// the thresholds compute it once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/decoder.hpp"

class continued final : public llama::decoder {
 public:
  explicit continued(llama::decoder& s) : whole_(s), start_(s.position()) {}

  void append(const std::vector<std::int32_t>& tokens, std::size_t dense_prefix,
              const llama::activation_observer* observe) override {
    whole_.append(tokens, start_ + dense_prefix, observe);
  }
  void logits(std::size_t first, llama::rows out) override { whole_.logits(first, out); }
  [[nodiscard]] llama::likeliest best(std::size_t row) override { return whole_.best(row); }
  void finish() override { whole_.finish(); }
  void thresholds_changed() override { whole_.thresholds_changed(); }
  void rewind(std::size_t position = 0) noexcept override { whole_.rewind(start_ + position); }
  [[nodiscard]] std::size_t position() const noexcept override {
    return whole_.position() - start_;
  }
  [[nodiscard]] std::size_t capacity() const noexcept override {
    return whole_.capacity() - start_;
  }
  [[nodiscard]] std::size_t vocabulary() const noexcept override { return whole_.vocabulary(); }
  [[nodiscard]] std::size_t cache_bytes() const noexcept override { return whole_.cache_bytes(); }

 private:
  llama::decoder& whole_;
  std::size_t start_;
};
