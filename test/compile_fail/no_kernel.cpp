// expected: sparsellm: no kernel multiplies this format on this executor
#include <sparsellm/core/buffer.hpp>
#include <sparsellm/multiply/multiply.hpp>
#include <sparsellm/pack/panel.hpp>
#ifdef EXPECT_OK
#include <sparsellm/cpu/multiply.hpp>
#endif
#include <sparsellm/cpu/executors/executor.hpp>

void f(sparsellm::cpu::executor& exec, sparsellm::packed_matrix<sparsellm::panel<float>>& w,
       sparsellm::buffer<float>& x, sparsellm::buffer<float>& y) {
  multiply(exec, w, x, y);
}
