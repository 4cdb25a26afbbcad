// expected: sparsellm: panel takes float, half, bfloat16
#include <sparsellm/sparsellm.hpp>

using namespace sparsellm;

#ifdef EXPECT_OK
using element = bfloat16;
#else
using element = int;
#endif
panel<element> f() { return {}; }
