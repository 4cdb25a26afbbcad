// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// cuBLASLt's dense product of one token with each of the algorithms that its heuristic suggests:
// what ours is compared with is the fastest.
#include <memory>
#include <string>

#include "cuda/measure/contest.cuh"

namespace bench {

void measure_cublaslt(environment& env) {
  if (!env.peers) return;
  for (const projection& p : env.shapes({0, 1, 2, 4, 5, 9})) {
    contest algorithms(env, "cublaslt", p.shape, 1);
    std::size_t known = 1;
    for (std::size_t a = 0; a < known; ++a)
      algorithms.add("cublaslt/bf16/algorithm=" + std::to_string(a), [&] {
        const std::shared_ptr<cuda_peer> peer = make_cublaslt();
        contender c;
        c.bytes = peer->bytes(p.shape) + 2.0 * static_cast<double>(p.shape.inputs) +
                  4.0 * static_cast<double>(p.shape.outputs);
        c.copies = env.copies(peer->bytes(p.shape));
        peer->prepare(p.shape, 1, c.copies, env.exec.stream());
        known = peer->algorithms();
        peer->choose(a);
        c.step = [&env, p = peer.get()](std::size_t i) { p->run(i, env.exec.stream()); };
        c.owns = peer;
        return c;
      });
    algorithms.run();
  }
}

}  // namespace bench
