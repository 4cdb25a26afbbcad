// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One gang for each team of ggml's threads that is in a product. ggml makes and drops teams as it
// likes (a program without a thread pool has a new one for each graph), so gangs are not theirs:
// the leading thread borrows one for a product, and the others find it by the team.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>

#include "sparsellm/cpu/executors/gang_executor.hpp"

namespace sparsellm_ggml {

class gang_places {
 public:
  // Calls work(gang) on member 0, while the others take shares. All of the team's members call,
  // once for each product, and meet at a barrier of their own between two products: so nobody looks
  // for a gang that has been given back.
  template <class Work>
  void enter(const void* team, std::size_t member, std::size_t members, const Work& work) {
    thread_local std::size_t last = 0;  // a thread tends to stay where it was
    place& here = member == 0 ? claim(last, team, members) : find(last, team);
    if (member == 0)
      here.gang->enter(0, [&] { work(*here.gang); });
    else
      here.gang->enter(member, [] {});
    // Who leads may be out before the others: the place is another team's once all are.
    if (here.inside.fetch_sub(1, std::memory_order_acq_rel) == 1)
      here.team.store(nullptr, std::memory_order_release);
  }

 private:
  // As many products as may run at once; more wait.
  static constexpr std::size_t count = 32;
  struct alignas(64) place {
    std::atomic<const void*> team{nullptr};
    std::atomic<std::size_t> inside{0};                   // members that have not left
    std::unique_ptr<sparsellm::cpu::gang_executor> gang;  // member 0's until `team` is set
  };

  // team is null while a place is free, and `reserved` while its gang is made.
  place& claim(std::size_t& at, const void* team, std::size_t members) {
    for (;; at = (at + 1) % count) {
      const void* nobody = nullptr;
      place& p = places_[at];
      if (!p.team.compare_exchange_strong(nobody, &reserved_, std::memory_order_acquire)) continue;
      if (p.gang == nullptr || p.gang->concurrency() != members)
        p.gang = std::make_unique<sparsellm::cpu::gang_executor>(members);
      p.inside.store(members, std::memory_order_relaxed);
      p.team.store(team, std::memory_order_release);
      return p;
    }
  }
  place& find(std::size_t& at, const void* team) {
    for (std::size_t looked = 0;; ++looked) {
      if (places_[at].team.load(std::memory_order_acquire) == team) return places_[at];
      // Most often the place is the right one and member 0 is not there yet.
      if (looked % 64 == 63) at = (at + 1) % count;
      if (looked > 64 * count) std::this_thread::yield();
    }
  }

  static constexpr char reserved_ = 0;
  place places_[count];
};

// Those of the process.
[[nodiscard]] inline gang_places& the_gangs() {
  static gang_places places;
  return places;
}

}  // namespace sparsellm_ggml
