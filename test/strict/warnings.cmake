# Every stage's headers, header-only and as declarations of the compiled library, without a warning.
cmake_minimum_required(VERSION 3.22)
include(${ROOT}/test/package/run.cmake)
set(flags -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion
          -Wdeprecated-declarations -Werror -I${ROOT}/include)
run("header-only" ${COMPILER} ${flags} -fsyntax-only ${ROOT}/test/strict/all.cpp)
run("compiled" ${COMPILER} ${flags} -DSPARSELLM_COMPILED -fsyntax-only ${ROOT}/test/strict/all.cpp)
