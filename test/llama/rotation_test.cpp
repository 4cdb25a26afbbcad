// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// A model along other axes: the same function, in a file of its own.
#include <cmath>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "files/gguf_metadata.hpp"
#include "files/gguf_writer.hpp"
#include "files/levels.hpp"
#include "files/rotated_model.hpp"
#include "llama/loaded_tiny.hpp"
#include "llama/pruned.hpp"
#include "methods/residual_axes.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/output_file.hpp"
#include "sparsellm/core/replace_file.hpp"

using namespace llama;

namespace {

// The axes of a text, and the model along them in a file.
struct turned_tiny {
  explicit turned_tiny(loaded_tiny& from, tensor_type type = tensor_type::f32) {
    const std::vector<window> windows{some_tokens(60), some_tokens(60)};
    axes = residual_axes(from.exec, from.m, windows, quiet);
    const rotated_model rotated(from.exec, from.m.file(), from.m.shape(),
                                sparsellm::rotation(from.exec, axes.matrix()), type, quiet);
    sparsellm::output_file to(path);
    (void)write_gguf(to, {rotated, from.m.shape()}, {}, storage_of(type),
                     {rotation_key, R"({"tokens":120})"}, quiet);
  }
  temporary_folder folder;
  std::string path = folder.path() + "/turned.gguf";
  sparsellm::axes_of_gram axes;
};

}  // namespace

TEST_CASE("rotated model: the same logits from a file of its own, whose gains are 1") {
  for (const tensor_type type : {tensor_type::f32, tensor_type::f16, tensor_type::bf16}) {
    loaded_tiny dense;
    const turned_tiny turned(dense, type);
    model back(dense.exec, turned.path, {sparsellm::element_kind::f32}, quiet);
    const float allowed = type == tensor_type::f32   ? 1e-4f
                          : type == tensor_type::f16 ? 2e-2f
                                                     : 1e-1f;
    CHECK(difference(last_logits(dense.exec, back, some_tokens(40)),
                     last_logits(dense.exec, dense.m, some_tokens(40))) < allowed);
    CHECK(back.file().text(rotation_key) == R"({"tokens":120})");
    for (const block& b : back.blocks())
      for (const norm_step* norm : {&b.attention_norm, &b.mlp_norm})
        CHECK(norm->gain == std::vector<float>(64, 1.0f));
    CHECK(back.final_norm().gain == std::vector<float>(64, 1.0f));
    // The tiny model's head is its embeddings, which the last gains would be in too.
    CHECK(dense.m.file().find("output.weight") == nullptr);
    REQUIRE(back.file().find("output.weight") != nullptr);
    CHECK(back.file().find("output.weight")->type == type);
  }
}

TEST_CASE("rotated model: the residual stream that blocks read lies along the axes") {
  loaded_tiny dense;
  const turned_tiny turned(dense);
  model back(dense.exec, turned.path, {sparsellm::element_kind::f32}, quiet);
  const std::vector<window> windows{some_tokens(60), some_tokens(60)};
  const sparsellm::axes_of_gram again = residual_axes(dense.exec, back, windows, quiet);
  // Its own principal axes are the channels, of the same energies.
  double off = 0, all = 0;
  for (std::size_t j = 0; j < 64; ++j) {
    all += turned.axes.energies[j];
    off += std::fabs(again.energies[j] - turned.axes.energies[j]);
    CHECK(std::fabs(again.matrix()(j, j)) > 0.99f);
  }
  CHECK(off < 1e-3 * all);
  // x / rms(x) has its width as its square, at two norms of two blocks, for each of 120 tokens.
  CHECK(std::fabs(all - 64.0 * 4 * 120) < 64.0 * 4 * 120 * 1e-3);
}

TEST_CASE("rotated model: the same bytes for any number of threads") {
  std::vector<std::string> all;
  for (const std::size_t threads : {1u, 3u}) {
    loaded_tiny dense({}, {sparsellm::element_kind::f32}, threads);
    all.push_back(sparsellm::read_file(turned_tiny(dense).path));
  }
  CHECK(all[0] == all[1]);
}

TEST_CASE("rotated model: what cannot be turned is refused") {
  loaded_tiny dense;
  CHECK_SAYS(residual_axes(dense.exec, dense.m, {}, quiet), sparsellm::value_error,
             "at least 1 window");
  const std::vector<float> axes{1, 0, 0, 1};
  const sparsellm::rotation two(dense.exec, sparsellm::matrix_view<const float>(axes.data(), 2, 2));
  CHECK_SAYS(
      rotated_model(dense.exec, dense.m.file(), dense.m.shape(), two, tensor_type::f32, quiet),
      sparsellm::shape_error, "a rotation of 64 channels expected, got 2");
  config other = dense.m.shape();
  other.parts.norm = norm_kind::layer;
  CHECK_SAYS(rotated_model::check(dense.m.file(), other), sparsellm::format_error,
             "RMSNorm expected, 'tiny' has LayerNorm");

  pruning how;
  const std::vector<pruned_block> blocks = prune(dense.exec, dense.m, {some_tokens(60)}, how);
  temporary_folder folder;
  write_checkpoint(output_directory(folder.path(), "", false), {dense.m.file(), dense.m.shape()},
                   blocks, how.pattern, sparsellm::element_kind::f32, "{}", quiet);
  const model_source pruned(folder.path());
  CHECK_SAYS(rotated_model::check(pruned.file(), dense.m.shape()), sparsellm::format_error,
             "a dense model expected");
}
