// expected: sparsellm: on 32-bit x86 compile with -msse2 -mfpmath=sse
#ifndef EXPECT_OK
#define __i386__ 1
#undef __SSE2_MATH__
#endif
#include <sparsellm/core/config.hpp>
