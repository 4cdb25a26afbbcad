// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// An engine's threads that are inside already: all of them call, one multiplies, and the others
// take shares of its loops.
//
//   cpu::gang_executor gang(4);  // made once; then each of the engine's 4 threads, t = 0 to 3:
//   gang.enter(t, [&] { multiply(gang, w, x, y); });
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/cpu/executors/executor_base.hpp"
#include "sparsellm/cpu/executors/fork_join.hpp"

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// Runs on threads that enter it together. Starts none. Models host_executor. Results are those of
// `executor` to the bit, whatever the number of members.
class gang_executor : public executor_base {
 public:
  static constexpr std::size_t max_members = 1024;

  // `members` in [1, 1024]: how many threads enter together. Throws value_error otherwise.
  explicit gang_executor(std::size_t members) : team_(members) {
    require<value_error>(members >= 1 && members <= max_members, "gang_executor: 1 to ",
                         max_members, " members expected, got ", members);
    seen_.resize(members);
  }
  gang_executor(const gang_executor&) = delete;
  gang_executor& operator=(const gang_executor&) = delete;

  // How many members there are, the leading one included.
  [[nodiscard]] std::size_t concurrency() const noexcept { return team_.threads(); }

  // Called once by each member, [0, members), for everything that the gang does. Member 0 calls
  // work(), in which verbs may use this executor; the others take shares of its loops. Member 0
  // returns when all others have come and done their last share, and what work() wrote is there for
  // every member when it returns. Loops wait for nobody: the shares of members that have not come
  // are taken by the others. A member that comes early for the next call waits. What work() throws
  // reaches member 0 alone. Throws value_error for a member that there is not. Waits: spins for
  // some tens of microseconds, then sleeps. Allocates nothing. Before the gang is destroyed all
  // calls must have returned.
  template <class Work>
  void enter(std::size_t member, const Work& work) {
    require<value_error>(member < concurrency(), "gang_executor: a member in [0, ", concurrency(),
                         ") expected, got ", member);
    if (member != 0) return team_.follow(member, seen_[member].seen);
    const gathering others(*this);
    work();
  }

  // As host_executor says, on the members that entered; each takes one contiguous range of indices
  // first, and then what others have not begun of theirs. Outside of enter() the calling thread
  // works alone.
  template <class Body>
  void parallel_for(std::size_t count, const Body& body) {
    if (entered_)
      team_.run(count, body);
    else
      for (std::size_t i = 0; i < count; ++i) body(i);
  }

 private:
  // The others are dismissed however work() ends.
  struct gathering {
    explicit gathering(gang_executor& gang) noexcept : of(gang) { of.entered_ = true; }
    gathering(const gathering&) = delete;
    gathering& operator=(const gathering&) = delete;
    ~gathering() {
      of.entered_ = false;
      of.team_.dismiss();
      of.team_.meet();
    }
    gang_executor& of;
  };
  struct alignas(64) progress {
    detail::fork_join::follower seen;
  };

  detail::fork_join team_;
  bool entered_ = false;  // member 0's
  std::vector<progress> seen_;
};

static_assert(host_executor<gang_executor>);

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE
