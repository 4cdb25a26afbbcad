// expected: sparsellm: the table has 16 levels
#include <sparsellm/sparsellm.hpp>

using namespace sparsellm;

#ifdef EXPECT_OK
using element = quantized<4, 32, quantization::non_linear>;
#else
using element = quantized<5, 32, quantization::non_linear>;
#endif
std::size_t f() { return sizeof(element); }
