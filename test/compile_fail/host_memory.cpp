// expected: sparsellm: the executor computes on a device and x or y lies in host memory
#include <sparsellm/sparsellm.hpp>
#include <vector>

using namespace sparsellm;

// As a GPU's.
struct device_executor {
  using space = device_space;
  template <class T>
  buffer<T> allocate(std::size_t n) {
    return buffer<T>(n);
  }
  void wait() {}
};
struct device_format : row_major<float> {
  template <class Space>
  struct view : row_major<float>::view<Space> {
    using format = device_format;
    using space = Space;
  };
  template <class Space = host_space>
  static view<Space> make_view(const std::byte* storage, extents e) noexcept {
    return {{{reinterpret_cast<const float*>(storage), e}}};
  }
  static void unpack_row(view<host_space>, std::size_t, vector_view<float>) noexcept {}
};
template <class S, class X, class Y>
void run_multiply(device_executor&, const device_format::view<device_space>&, const S&, const X&,
                  const Y&) {}
template <class Y>
void run_multiply(device_executor&, const device_format::view<device_space>&,
                  active_view<device_space>, const Y&) {}

void f(device_executor& exec, const device_format::view<device_space>& w,
#ifdef EXPECT_OK
       vector_view<const float, device_space> x, vector_view<float, device_space> y
#else
       std::vector<float> x, std::vector<float> y
#endif
) {
  multiply(exec, w, sparsifier{magnitude{}, above{0.5f}}, x, y);
}
