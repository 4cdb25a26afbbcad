#include "product.hpp"

float other();

int main() {
  sparsellm::buffer<float> w(10, 2.0f), x(10, 3.0f);
  return product_of(w, x) == 60.0f && other() == 60.0f ? 0 : 1;
}
