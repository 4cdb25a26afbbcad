#include "product.hpp"

float other() {
  sparsellm::buffer<float> w(10, 2.0f), x(10, 3.0f);
  return product_of(w, x);
}
