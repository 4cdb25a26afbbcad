// The macros of the version, as a program that includes the library uses them.
#include <sparsellm/version.hpp>

#include <cstdio>

#if SPARSELLM_VERSION < 100
#error "0.1.0 is the first version"
#endif
static_assert(SPARSELLM_VERSION == SPARSELLM_VERSION_MAJOR * 10000 + SPARSELLM_VERSION_MINOR * 100 +
                                       SPARSELLM_VERSION_PATCH);
static_assert(SPARSELLM_VERSION_MINOR < 100 && SPARSELLM_VERSION_PATCH < 100);

int main() { std::printf("%s", SPARSELLM_VERSION_STRING); }
