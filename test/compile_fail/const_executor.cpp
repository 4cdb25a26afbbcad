// expected: sparsellm: the executor is const
#include <sparsellm/sparsellm.hpp>

using namespace sparsellm;

#ifdef EXPECT_OK
void f(cpu::executor& exec,
#else
void f(const cpu::executor& exec,
#endif
       packed_matrix<panel<float>>& w, vector_view<const float> x, vector_view<float> y) {
  multiply(exec, w, x, y);
}
