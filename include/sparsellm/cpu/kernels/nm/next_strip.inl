// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Prefetches what comes next in the stream to L2: two pages ahead, as dense_gemv(). A strip that is
// read in several passes, `Outputs` outputs in each, prefetches the strip after it instead, an
// equal share in every pass, so that memory is never idle.
template <std::size_t Outputs>
class next_strip {
 public:
  SPARSELLM_INLINE next_strip(std::size_t cell_bytes, std::size_t cells,
                              std::size_t first_output) noexcept
      : from_((Outputs == nm_strip_outputs ? 8192 : cells * cell_bytes) +
              cell_bytes * first_output / nm_strip_outputs),
        bytes_(cell_bytes * Outputs / nm_strip_outputs) {}
  SPARSELLM_INLINE void prefetch(const std::byte* cell) const noexcept {
    for (std::size_t line = 0; line < bytes_; line += 64) prefetch_l2(cell + from_ + line);
  }

 private:
  std::size_t from_, bytes_;
};
