// Built without -ffast-math: must keep NaN although fast.cpp, linked in, is built with it. Prints
// what fast.cpp keeps, so that the test can tell whether its flag did anything.
#include "products.hpp"

#include <cstdio>

bool fast();
DEFINE_KEEPS_NAN(strict)

int main() {
  std::printf("fast keeps NaN: %s\n", fast() ? "yes" : "no");
  return strict() ? 0 : 1;
}
