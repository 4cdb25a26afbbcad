#pragma once
#include <sparsellm/core/scalar.hpp>

float round_trip(sparsellm::bfloat16 x);
