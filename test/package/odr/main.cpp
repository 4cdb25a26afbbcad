// Built for the oldest machines; must run there although wide.cpp, linked in, is built for the
// newest.
#include "product.hpp"

#include <cstdio>

float wide();
DEFINE_PRODUCT(narrow)

int main(int argc, char**) {
  const float result = argc > 1 ? wide() : narrow();
  std::printf("%g\n", static_cast<double>(result));
  return result == 300.0f ? 0 : 1;
}
