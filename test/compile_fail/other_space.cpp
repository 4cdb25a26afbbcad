// expected: sparsellm: the weight lives in another memory space
#include <sparsellm/sparsellm.hpp>

using namespace sparsellm;

// An executor of another memory space, as a GPU's is.
struct device_executor {
#ifdef EXPECT_OK
  using space = host_space;
#else
  using space = device_space;
#endif
  template <class T>
  buffer<T> allocate(std::size_t n) {
    return buffer<T>(n);
  }
  void wait() {}
  template <class Body>
  void parallel_for(std::size_t count, const Body& body) {
    for (std::size_t i = 0; i < count; ++i) body(i);
  }
  std::size_t concurrency() { return 1; }
  std::byte* scratch(std::size_t) { return nullptr; }
  vector_view<float> activations(std::size_t) { return {}; }
};

void f(device_executor& exec, packed_matrix<panel<float>>& w,
       vector_view<const float, device_executor::space> x,
       vector_view<float, device_executor::space> y) {
  multiply(exec, w, x, y);
}
