// expected: sparsellm: C++20 is needed, compile with -std=c++20 or later
// flags: -std=c++17
// lines: 15
#ifndef EXPECT_OK
#include <sparsellm/sparsellm.hpp>
#endif
