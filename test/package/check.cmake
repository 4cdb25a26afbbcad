cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)
set(test ${ROOT}/test/package)
set(ENV{CMAKE_GENERATOR} ${GENERATOR})  # the one that is known to be installed
file(REMOVE_RECURSE ${WORK})
run("install" ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/installed)
file(RENAME ${WORK}/installed ${WORK}/moved)

macro(build_and_run name)
  run("${name}: configure" ${CMAKE_COMMAND} -S ${test}/${name} -B ${WORK}/${name}
      -DCMAKE_CXX_COMPILER=${COMPILER} ${ARGN})
  run("${name}: build" ${CMAKE_COMMAND} --build ${WORK}/${name})
  run("${name}: run" ${WORK}/${name}/consumer)
endmacro()
build_and_run(find_package -DCMAKE_PREFIX_PATH=${WORK}/moved)
build_and_run(compiled -DCMAKE_PREFIX_PATH=${WORK}/moved)
build_and_run(add_subdirectory -DSPARSELLM_SOURCE=${ROOT})

find_program(pkg_config pkg-config)
if(pkg_config)
  set(ENV{PKG_CONFIG_PATH} ${WORK}/moved/${LIBDIR}/pkgconfig)
  run("pkg-config" ${pkg_config} --cflags --libs sparsellm)
  string(STRIP "${OUTPUT}" flags)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run("pkg-config: build" ${COMPILER} ${test}/consumer.cpp ${flags} -o ${WORK}/by_pkg_config)
  run("pkg-config: run" ${WORK}/by_pkg_config)
  run("pkg-config, compiled" ${pkg_config} --cflags --libs sparsellm-compiled)
  string(STRIP "${OUTPUT}" flags)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run("pkg-config, compiled: build" ${COMPILER} ${test}/consumer.cpp ${flags} -o ${WORK}/by_pkg_config_compiled)
  run("pkg-config, compiled: run" ${WORK}/by_pkg_config_compiled)
endif()

# Headers copied into another tree, as strict as their tree may be.
file(COPY ${ROOT}/include/sparsellm DESTINATION ${WORK}/vendored/third_party)
run("copied headers: build" ${COMPILER} -std=c++20 -O2 -Wall -Wextra -Wpedantic -Wshadow -Werror
    -I${WORK}/vendored/third_party ${test}/consumer.cpp -pthread -o ${WORK}/by_copy)
run("copied headers: run" ${WORK}/by_copy)
run("c++23" ${COMPILER} -std=c++2b -fsyntax-only -I${WORK}/vendored/third_party ${test}/consumer.cpp)
run("without exceptions and RTTI" ${COMPILER} -std=c++20 -fno-exceptions -fno-rtti -O1
    -I${WORK}/vendored/third_party ${test}/consumer.cpp -pthread -o ${WORK}/by_copy_bare)
run("without exceptions and RTTI: run" ${WORK}/by_copy_bare)

run("cuda: configure" ${CMAKE_COMMAND} -S ${test}/cuda -B ${WORK}/cuda
    -DCMAKE_PREFIX_PATH=${WORK}/moved -DCMAKE_CXX_COMPILER=${COMPILER})
if(OUTPUT MATCHES "no cuda: ([^\n]+)")
  set(why "${CMAKE_MATCH_1}")
  if(NOT why MATCHES "component cuda needs the CUDA toolkit and CCCL")
    message(FATAL_ERROR "the component's message is wrong: ${why}")
  endif()
  message(STATUS "cuda: not built: ${why}")
else()
  run("cuda, add_subdirectory: configure" ${CMAKE_COMMAND} -S ${test}/add_subdirectory
      -B ${WORK}/cuda_subdirectory -DSPARSELLM_SOURCE=${ROOT} -DSPARSELLM_CUDA=ON -DLINK=sparsellm::cuda
      -DCMAKE_CXX_COMPILER=${COMPILER})
  run("cuda: build" ${CMAKE_COMMAND} --build ${WORK}/cuda)
  run("cuda: run" ${WORK}/cuda/consumer)
  run("cuda: run on a GPU, or with the launcher" ${LAUNCHER} ${WORK}/cuda/gpu_consumer)
endif()
