#include "product.hpp"
DEFINE_PRODUCT(wide)
