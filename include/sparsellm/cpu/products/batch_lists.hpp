// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The channels that a small batch reads: those that some token keeps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/kernels/brick_table.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/multiply/summation.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// The channels that some token of a batch keeps, of every section and part, and what each token has
// of them.
class batch_lists {
 public:
  // Reserves what `layout` will hold.
  batch_lists(scratch_layout& layout, const cover& sections, const summation_parts& parts,
              std::size_t tokens, std::size_t tasks) noexcept
      : sections_(sections), parts_(parts), tokens_(tokens) {
    const std::size_t channels = sections.size() * parts.inputs;
    index_at_ = layout.reserve<std::uint32_t>(channels);
    value_at_ = layout.reserve<float>(channels * tokens);
    count_at_ = layout.reserve<counts>(sections.size() * parts.count);
    rows_at_ = layout.reserve<float>(tasks * tokens * block);
  }
  void use(std::byte* scratch) noexcept { scratch_ = scratch; }

  // Lists part p of section s; two that are listed at the same time have different `task`s.
  void list(std::size_t s, std::size_t p, const token_inputs& x, std::size_t task) const {
    float* const rows = at<float>(scratch_, rows_at_) + task * tokens_ * block;
    std::uint32_t* const index = this->index(s, p);
    float* value = this->value(s, p);
    std::size_t count = 0, kept = 0;
    for (std::size_t first = parts_.begin(p); first < parts_.end(p); first += block) {
      const std::size_t width = std::min(block, parts_.end(p) - first);
      std::uint32_t keepers[block] = {};
      for (std::size_t t = 0; t < tokens_; ++t) {
        float* const row = rows + t * block;
        sections_.zero(s, x[t], first, first + width, row);
        for (std::size_t c = 0; c < width; ++c) keepers[c] += row[c] != 0.0f ? 1 : 0;
      }
      std::uint32_t* const some = index + count;
      std::size_t n = 0;
      for (std::size_t c = 0; c < width; ++c) {
        some[n] = static_cast<std::uint32_t>(c);
        n += keepers[c] != 0 ? 1 : 0;
        kept += keepers[c];
      }
      for (std::size_t t = 0; t < tokens_; ++t)
        for (std::size_t k = 0; k < n; ++k) value[k * tokens_ + t] = rows[t * block + some[k]];
      for (std::size_t k = 0; k < n; ++k) some[k] += static_cast<std::uint32_t>(first);
      value += n * tokens_;
      count += n;
    }
    counts_of(s, p) = {count, kept};
  }

  // Part p of section s, what follows in its next part, and x [channels][tokens].
  [[nodiscard]] active_channels operator()(std::size_t s, std::size_t p) const noexcept {
    const bool more = p + 1 < parts_.count;
    return {index(s, p), counts_of(s, p).listed, more ? index(s, p + 1) : nullptr,
            more ? counts_of(s, p + 1).listed : 0};
  }
  [[nodiscard]] float* value(std::size_t s, std::size_t p) const noexcept {
    return at<float>(scratch_, value_at_) + (s * parts_.inputs + parts_.begin(p)) * tokens_;
  }
  struct counts {
    std::size_t listed;  // channels
    std::size_t kept;    // by one token or another: at most `tokens` for each channel
  };
  // Of all sections and parts.
  [[nodiscard]] counts total() const noexcept {
    counts sum{};
    for (std::size_t i = 0; i < sections_.size() * parts_.count; ++i) {
      sum.listed += at<counts>(scratch_, count_at_)[i].listed;
      sum.kept += at<counts>(scratch_, count_at_)[i].kept;
    }
    return sum;
  }

 private:
  static constexpr std::size_t block = 64;  // channels at a time, whose rows stay in L1

  [[nodiscard]] std::uint32_t* index(std::size_t s, std::size_t p) const noexcept {
    return at<std::uint32_t>(scratch_, index_at_) + s * parts_.inputs + parts_.begin(p);
  }
  [[nodiscard]] counts& counts_of(std::size_t s, std::size_t p) const noexcept {
    return at<counts>(scratch_, count_at_)[s * parts_.count + p];
  }

  const cover& sections_;
  const summation_parts& parts_;
  std::size_t tokens_, index_at_, value_at_, count_at_, rows_at_;
  std::byte* scratch_ = nullptr;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
