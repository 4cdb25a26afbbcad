// expected: sparsellm: a batch, stacked projections and fused passes take pointwise sparsifiers
#include <sparsellm/sparsellm.hpp>

using namespace sparsellm;

void f(cpu::executor& exec, packed_matrix<panel<float>>& w, matrix_view<const float> x,
       matrix_view<float> y) {
#ifdef EXPECT_OK
  multiply(exec, w, sparsifier{magnitude{}, above{0.5f}}, x, y);
#else
  multiply(exec, w, sparsifier{magnitude{}, top_k{5}}, x, y);
#endif
}
