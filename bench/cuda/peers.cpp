// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/peers.hpp"

#include <cstdio>

#include "sparsellm/core/error.hpp"

namespace bench {

std::vector<std::shared_ptr<cuda_peer>> make_cuda_peers() {
  using adder = void (*)(std::vector<std::shared_ptr<cuda_peer>>&);
  const std::vector<adder> known{
#ifdef SPARSELLM_PEER_CUBLASLT
      add_cublaslt,
#endif
#ifdef SPARSELLM_PEER_CUSPARSELT
      add_cusparselt,
#endif
  };
  std::vector<std::shared_ptr<cuda_peer>> peers;
  for (const adder add : known) {
    const std::size_t before = peers.size();
    try {
      add(peers);
      (void)peers.back()->version();  // what cannot say it is left out
    } catch (const sparsellm::error& e) {
      if (peers.size() > before) peers.pop_back();
      std::fprintf(stderr, "left out: %s\n", e.what());
    }
  }
  return peers;
}

}  // namespace bench
