#include "engine.hpp"

float round_trip(sparsellm::bfloat16 x) { return sparsellm::widen(x); }
