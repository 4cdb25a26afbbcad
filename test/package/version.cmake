# What the headers say their version is, and what CMake's project says.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)
file(MAKE_DIRECTORY ${WORK})
run("compile" ${COMPILER} -std=c++20 -Wall -Wextra -Wpedantic -Werror -I${ROOT}/include
    ${ROOT}/test/package/version/main.cpp -o ${WORK}/version)
run("run" ${WORK}/version)
if(NOT OUTPUT STREQUAL VERSION)
  message(FATAL_ERROR "the headers say '${OUTPUT}', the project '${VERSION}'")
endif()
