# The CMake block of README.md, as it stands, in the project of a reader who has installed the library.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/../package/run.cmake)
set(ENV{CMAKE_GENERATOR} ${GENERATOR})
file(REMOVE_RECURSE ${WORK})
file(READ ${ROOT}/README.md page)
if(NOT page MATCHES "```cmake\n([^`]*)```")
  message(FATAL_ERROR "README.md has no block of CMake")
endif()
file(WRITE ${WORK}/CMakeLists.txt "cmake_minimum_required(VERSION 3.22)\nproject(reader LANGUAGES CXX)
add_executable(engine ${ROOT}/examples/01_sparse_linear.cpp)\n${CMAKE_MATCH_1}")
run("configure" ${CMAKE_COMMAND} -S ${ROOT} -B ${WORK}/build -DCMAKE_CXX_COMPILER=${COMPILER}
    -DSPARSELLM_BUILD_TESTS=OFF -DSPARSELLM_BUILD_EXAMPLES=OFF -DSPARSELLM_BUILD_BENCHMARKS=OFF
    -DSPARSELLM_BUILD_COMPILED=OFF)
run("install" ${CMAKE_COMMAND} --install ${WORK}/build --prefix ${WORK}/installed)
run("README: configure" ${CMAKE_COMMAND} -S ${WORK} -B ${WORK}/reader -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_PREFIX_PATH=${WORK}/installed)
run("README: build" ${CMAKE_COMMAND} --build ${WORK}/reader)
run("README: run" ${WORK}/reader/engine)
