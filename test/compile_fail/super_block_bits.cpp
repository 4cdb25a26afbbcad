// expected: sparsellm: GGUF's super-blocks have 4, 5 or 6 bits
#include <sparsellm/sparsellm.hpp>

using namespace sparsellm;

#ifdef EXPECT_OK
using element = super_block_quantized<5>;
#else
using element = super_block_quantized<7>;
#endif
std::size_t f() { return sizeof(element); }
