# The package that the test package.deb made, as Debian's own checker sees it. A project without an address
# (SPARSELLM_PACKAGE_CONTACT) has none to check.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)
file(GLOB package ${WORK}/first/libsparsellm-dev_*.deb)
run("lintian" ${LINTIAN} --pedantic --display-info --suppress-tags bogus-mail-host --tag-display-limit 0 ${package})
string(REGEX MATCHALL "[EWIPC]: libsparsellm[^\n]*" tags "${OUTPUT}")
if(tags)
  list(JOIN tags "\n  " text)
  message(FATAL_ERROR "lintian:\n  ${text}")
endif()
