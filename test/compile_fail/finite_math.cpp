// expected: sparsellm: compile without -ffast-math, or define SPARSELLM_ALLOW_FAST_MATH
// flags: -ffinite-math-only
#ifdef EXPECT_OK
#define SPARSELLM_ALLOW_FAST_MATH
#endif
#include <sparsellm/core/config.hpp>
