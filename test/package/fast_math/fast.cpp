#include "products.hpp"
DEFINE_KEEPS_NAN(fast)
