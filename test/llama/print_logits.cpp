// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// print_logits MODEL once|one-by-one: the logits after every token of a text in f32, dense, as
// JSON. The tokens' ids are read from the standard input, and go through the model at once, or one
// by one.
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "model/session.hpp"

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fputs("print_logits MODEL once|one-by-one < IDS\n", stderr);
    return 2;
  }
  std::vector<std::int32_t> ids;
  for (std::int32_t id = 0; std::cin >> id;) ids.push_back(id);
  sparsellm::cpu::executor exec(2);
  const llama::model m(exec, argv[1], {sparsellm::element_kind::f32}, [](double) {});
  llama::session s(exec, m, ids.size(), ids.size());
  const std::size_t vocabulary = m.shape().vocabulary;
  std::vector<float> logits(ids.size() * vocabulary);
  const llama::rows all(logits.data(), ids.size(), vocabulary);
  if (std::string(argv[2]) == "once") {
    s.append(ids, ids.size(), nullptr);
    s.logits(0, all);
  } else {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      s.append({ids[i]}, ids.size(), nullptr);
      s.logits(0, llama::rows(&all(i, 0), 1, vocabulary));
    }
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::printf("%s", i == 0 ? "[[" : ",\n[");
    for (std::size_t t = 0; t < vocabulary; ++t)
      std::printf("%s%.9g", t == 0 ? "" : ",", static_cast<double>(all(i, t)));
    std::printf("]");
  }
  std::printf("]\n");
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "print_logits: %s\n", e.what());
  return 1;
}
