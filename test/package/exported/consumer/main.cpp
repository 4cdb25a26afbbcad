#include <engine.hpp>

int main() { return round_trip(sparsellm::narrow<sparsellm::bfloat16>(0.5f)) == 0.5f ? 0 : 1; }
