// expected: sparsellm: channel_major takes float, half, bfloat16
#include <sparsellm/sparsellm.hpp>

using namespace sparsellm;

#ifdef EXPECT_OK
using element = q4_1;
#else
using element = std::int8_t;
#endif
channel_major<element> f() { return {}; }
