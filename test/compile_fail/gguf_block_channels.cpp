// expected: sparsellm: GGUF has blocks of 32 channels
#include <sparsellm/sparsellm.hpp>

using namespace sparsellm;

#ifdef EXPECT_OK
using element = q4_0;
#else
using element = quantized<4, 64>;
#endif
std::size_t f() { return gguf_block<element>::bytes; }
