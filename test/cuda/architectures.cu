// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Every form of a product on the device, to be compiled without inlining; not run.
#include "sparsellm/cuda.cuh"

namespace sparsellm {
namespace {

using tokens = matrix_view<const float, device_space>;
using token = vector_view<const float, device_space>;

}  // namespace

void use_all(cuda::executor& exec, const packed_matrix<channel_major<bfloat16>, device_space>& w,
             tokens xs, matrix_view<float, device_space> ys, token x,
             vector_view<float, device_space> y, active_set<device_space>& active) {
  const sparsifier keep{magnitude{}, above{0.5f}};
  const sparsifier best{magnitude{}, top_k{3}};
  const matrix_view<const half, device_space> narrow_xs(
      reinterpret_cast<const half*>(xs.row(0).data()), xs.rows(), xs.cols());
  const matrix_view<half, device_space> narrow_ys(reinterpret_cast<half*>(ys.row(0).data()),
                                                  ys.rows(), ys.cols());
  multiply(exec, w, x, y);
  multiply(exec, w, keep, x, y);
  multiply(exec, w, keep, x, y, active);
  multiply(exec, w, best, x, y);
  multiply(exec, w, active, y);
  multiply(exec, w, active, narrow_ys.row(0));
  multiply(exec, w, keep, xs, ys);
  multiply(exec, w, narrow_xs, narrow_ys);
  multiply(exec, w.view(), keep, narrow_xs, ys);
  multiply_gated(exec, w, keep, x, y, keep, active);
}

}  // namespace sparsellm
