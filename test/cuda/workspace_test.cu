// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Memory of products: captured graphs stay valid when the executor's grows, and a caller's
// workspace of workspace_bytes() serves every form of a product.

#include <cstddef>
#include <cstring>
#include <functional>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/cuda/workspace.cuh"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"

using namespace sparsellm;

namespace {

using input = matrix_view<const float, device_space>;
using output = matrix_view<float, device_space>;

// Work captured once, run as often as wanted.
class graph {
 public:
  graph(cuda::executor& exec, const std::function<void()>& work) : exec_(exec) {
    cuda::check(cudaStreamBeginCapture(exec.stream(), cudaStreamCaptureModeThreadLocal), "begin");
    cudaGraph_t captured = nullptr;
    try {
      work();
    } catch (...) {
      (void)cudaStreamEndCapture(exec.stream(), &captured);
      if (captured != nullptr) (void)cudaGraphDestroy(captured);
      throw;
    }
    cuda::check(cudaStreamEndCapture(exec.stream(), &captured), "end");
    cuda::check(cudaGraphInstantiate(&run_, captured, 0), "instantiate");
    cuda::check(cudaGraphDestroy(captured), "destroy");
  }
  graph(graph&&) = delete;
  ~graph() { (void)cudaGraphExecDestroy(run_); }
  void launch() { cuda::check(cudaGraphLaunch(run_, exec_.stream()), "launch"); }

 private:
  cuda::executor& exec_;
  cudaGraphExec_t run_ = nullptr;
};

const sparsifier keep{magnitude{}, above{0.5f}};

}  // namespace

TEST_CASE("cuda: captured graphs stay valid when larger products follow") {
  device d;
  const extents small{96, 1200}, large{640, 2400};
  const auto decode =
      d.pack<channel_major<bfloat16>>(normal(small.outputs * small.inputs, 2), small);
  const auto pruned = d.pack<n_of_m<half, 2, 4>>(normal(large.outputs * large.inputs, 3), large);
  const auto head = d.pack<channel_major<q8_0>>(normal(large.outputs * large.inputs, 4), large);
  const auto x = d.up(normal(32 * large.inputs, 5));
  auto y1 = d.exec.allocate<float>(small.outputs), y2 = d.exec.allocate<float>(large.outputs),
       y3 = d.exec.allocate<float>(32 * large.outputs);
  active_set active(d.exec, large.inputs);
  const vector_view<const float, device_space> x_small(x.data(), small.inputs),
      x_large(x.data(), large.inputs);
  const auto first = [&] { multiply(d.exec, decode, keep, x_small, y1.view(), active); };
  const auto second = [&] { multiply(d.exec, head, keep, x_large, y2.view(), active); };
  const auto third = [&] {
    multiply(d.exec, pruned, keep, input(x.data(), 32, large.inputs),
             output(y3.data(), 32, large.outputs));
  };
  CHECK_SAYS(graph(d.exec, first), device_error, "run the step once before, or set a workspace");
  first();
  const std::vector<float> a = d.down(y1);
  graph one(d.exec, first);
  second();  // more scratch and more activations than the first
  const std::vector<float> b = d.down(y2);
  graph two(d.exec, second);
  third();
  const std::vector<float> c = d.down(y3);
  graph three(d.exec, third);
  const auto clear = [&](cuda::device_buffer<float>& y) {
    cuda::check(cudaMemsetAsync(y.data(), 0, y.size() * sizeof(float), d.exec.stream()), "clear");
  };
  for (int round = 0; round < 2; ++round) {
    clear(y1);
    clear(y2);
    clear(y3);
    three.launch();
    one.launch();
    two.launch();
    CHECK(d.down(y1) == a);
    CHECK(d.down(y2) == b);
    CHECK(d.down(y3) == c);
  }
}

TEMPLATE_TEST_CASE("cuda: a workspace of workspace_bytes() serves every form", "",
                   row_major<bfloat16>, channel_major<bfloat16>, channel_major<q8_0>,
                   channel_major<q4_1>, (n_of_m<bfloat16, 2, 4>), (n_of_m<std::int8_t, 4, 8>),
                   (channel_bitmap<half, 2, 4>)) {
  using F = TestType;
  device d;
  // Gate and up in whole lanes, and not.
  for (const extents e : {extents{256, 1100}, {102, 600}})
    for (const std::size_t tokens : {1, 3, 20}) {
      INFO(F::name << " " << e.outputs << "x" << e.inputs << ", " << tokens << " tokens");
      const auto weight = d.pack<F>(normal(e.outputs * e.inputs, 6), e);
      const auto x = d.up(normal(tokens * e.inputs, 7));
      auto x16 = d.exec.allocate<half>(x.size()), y16 = d.exec.allocate<half>(tokens * e.outputs);
      convert(d.exec, x.view(), x16.view());
      active_set active(d.exec, e.inputs);
      const input xs(x.data(), tokens, e.inputs);
      const section<teal> all{0, e.outputs, keep};
      // Every form, from a fresh executor on the same stream.
      const auto run = [&](cuda::executor& exec, bool narrow) {
        auto y = exec.allocate<float>(tokens * e.outputs), h = exec.allocate<float>(y.size() / 2),
             one = exec.allocate<float>(e.outputs);
        const auto work = [&] {
          multiply(exec, weight, keep, xs, output(y.data(), tokens, e.outputs));
          multiply_gated(exec, weight, stacked<teal>{&all, 1}, xs,
                         output(h.data(), tokens, e.outputs / 2));
          multiply(exec, weight, keep, vector_view<const float, device_space>(x.data(), e.inputs),
                   one.view(), active);
          if (narrow)
            multiply(exec, weight, keep,
                     matrix_view<const half, device_space>(x16.data(), tokens, e.inputs),
                     matrix_view<half, device_space>(y16.data(), tokens, e.outputs));
        };
        if (narrow) {
          work();
        } else {
          graph captured(exec, work);  // would refuse to grow
          captured.launch();
        }
        std::vector<float> results = d.down(y);
        for (const auto* more : {&h, &one})
          for (const float v : d.down(*more)) results.push_back(v);
        return results;
      };
      cuda::executor own(d.exec.stream()), given(d.exec.stream()), narrow(d.exec.stream());
      auto memory = d.exec.allocate<std::byte>(cuda::workspace_bytes(weight, tokens)),
           more = d.exec.allocate<std::byte>(cuda::workspace_bytes<half>(weight, tokens));
      CHECK(memory.size() % cuda::workspace_alignment == 0);
      CHECK(more.size() >= memory.size());
      const std::vector<float> expected = run(own, true);
      given.set_workspace(memory.view());
      CHECK(run(given, false) == expected);
      narrow.set_workspace(more.view());
      CHECK(run(narrow, true) == expected);
      if (memory.size() != more.size() && tokens > 1) {
        narrow.set_workspace({more.data(), e.inputs * sizeof(float)});
        CHECK_SAYS((void)run(narrow, true), device_error, "a workspace of ");
      }
      narrow.set_workspace({});
      CHECK(run(narrow, true) == expected);
    }
}

// Fewer tokens are cut into other tiles and more splits.
TEMPLATE_TEST_CASE("cuda: a workspace serves products of fewer tokens, too", "",
                   channel_major<bfloat16>, channel_major<q4_1>, (n_of_m<std::int8_t, 2, 4>),
                   (channel_bitmap<half, 2, 4>)) {
  using F = TestType;
  device d;
  for (const extents e : {extents{40, 1500}, {300, 600}}) {
    const auto weight = d.pack<F>(normal(e.outputs * e.inputs, 8), e);
    const std::size_t most = 140;
    auto x = d.up(normal(most * e.inputs, 9)), y = d.exec.allocate<float>(most * e.outputs);
    auto memory = d.exec.allocate<std::byte>(cuda::workspace_bytes(weight, most));
    cuda::executor given(d.exec.stream());
    given.set_workspace(memory.view());
    const section<teal> sections[] = {{0, 3, keep}, {3, e.outputs, keep}};
    for (const std::size_t tokens : {1, 9, 17, 65, 140}) {
      const input xs(x.data(), tokens, e.inputs);
      const output ys(y.data(), tokens, e.outputs);
      CHECK_NOTHROW(multiply(given, weight, keep, xs, ys));
      CHECK_NOTHROW(multiply(given, weight, stacked<teal>{sections, 2}, xs, ys));
    }
    given.wait();
  }
}

TEST_CASE("cuda: what a workspace is not") {
  device d;
  auto memory = d.exec.allocate<std::byte>(1024);
  CHECK_SAYS(d.exec.set_workspace({memory.data() + 16, 512}), value_error,
             "a workspace aligned to 256 bytes expected, got an address 16 past");
  const auto weight = d.pack<channel_major<half>>(normal(64 * 64, 1), {64, 64});
  CHECK_THROWS_AS((void)cuda::workspace_bytes(weight, 0), shape_error);
}
