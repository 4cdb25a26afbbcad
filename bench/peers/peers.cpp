// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which peers this build has.
#include "peers.hpp"

namespace bench {

const std::vector<std::shared_ptr<peer_gemv>>& peers() {
  static const std::vector<std::shared_ptr<peer_gemv>> all = [] {
    std::vector<std::shared_ptr<peer_gemv>> found;
#if defined(SPARSELLM_PEER_GGML)
    add_ggml(found);
#endif
#if defined(SPARSELLM_PEER_EIGEN)
    add_eigen(found);
#endif
#if defined(SPARSELLM_PEER_ONEDNN)
    add_onednn(found);
#endif
#if defined(SPARSELLM_PEER_OPENBLAS)
    add_openblas(found);
#endif
    return found;
  }();
  return all;
}

}  // namespace bench
