// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// print_logits MODEL once|one-by-one|ordered|rotated: the logits after every token of a text in
// f32, dense, as JSON. The tokens' ids are read from the standard input, and go through the model
// at once, or one by one, or at once: with the channels of every activation in a random order, or
// of the model along the principal axes of its residual stream over this text.
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "files/rotated_model.hpp"
#include "llama/pruned.hpp"
#include "methods/residual_axes.hpp"
#include "model/model.hpp"
#include "model/session.hpp"

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fputs("print_logits MODEL once|one-by-one|ordered|rotated < IDS\n", stderr);
    return 2;
  }
  std::vector<std::int32_t> ids;
  for (std::int32_t id = 0; std::cin >> id;) ids.push_back(id);
  sparsellm::cpu::executor exec(2);
  const std::string how = argv[2];
  llama::load_options options{sparsellm::element_kind::f32};
  std::vector<llama::block_orders> orders;
  if (how == "ordered") {
    orders = random_orders(llama::read_config(llama::model_source(argv[1]).file()), 7);
    options.orders = &orders;
  }
  const auto quiet = [](double) {};
  llama::model as_it_is(exec, argv[1], options, quiet);
  std::optional<llama::model> rotated;
  if (how == "rotated") {
    const sparsellm::rotation turned(exec,
                                     llama::residual_axes(exec, as_it_is, {ids}, quiet).matrix());
    rotated.emplace(
        exec,
        llama::model_source(std::make_unique<llama::rotated_model>(
            exec, as_it_is.file(), as_it_is.shape(), turned, llama::tensor_type::f32, quiet)),
        options, quiet);
  }
  const llama::model& m = rotated.has_value() ? *rotated : as_it_is;
  llama::session s(exec, m, ids.size(), ids.size());
  const std::size_t vocabulary = m.shape().vocabulary;
  std::vector<float> logits(ids.size() * vocabulary);
  const llama::rows all(logits.data(), ids.size(), vocabulary);
  if (how != "one-by-one") {
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
