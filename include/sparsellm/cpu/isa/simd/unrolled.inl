// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Loops over registers. Included once per instruction set.

// body(i) for constants i in [0, Count). An array of sums that loops index stays in memory when the
// compiler unrolls them too late: g++ 12 then stores every sum of every block.
template <class Body, std::size_t... I>
SPARSELLM_INLINE void unrolled(const Body& body, std::index_sequence<I...>) noexcept {
  (body(std::integral_constant<std::size_t, I>{}), ...);
}
template <std::size_t Count, class Body>
SPARSELLM_INLINE void unrolled(const Body& body) noexcept {
  unrolled(body, std::make_index_sequence<Count>{});
}
