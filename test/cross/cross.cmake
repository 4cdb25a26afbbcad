# The kernels' laws on Armv8: cross-compiled, run under qemu-user. Catch2's single header is copied,
# for /usr/include is the wrong machine's.
find_program(SPARSELLM_AARCH64_GXX NAMES aarch64-linux-gnu-g++)
find_program(SPARSELLM_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
find_file(SPARSELLM_CATCH2_HEADER catch2/catch.hpp)
set(neon_sources cpu/isa_test.cpp cpu/kernel_test.cpp core/scalar_test.cpp)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  sparsellm_skip_test(neon "this is an Arm machine: 'unit' tests NEON")
elseif(NOT SPARSELLM_AARCH64_GXX OR NOT SPARSELLM_QEMU_AARCH64)
  sparsellm_skip_test(neon "aarch64-linux-gnu-g++ or qemu-aarch64 is not installed")
elseif(NOT SPARSELLM_CATCH2_HEADER)
  sparsellm_skip_test(neon "Catch2 2's single header is not installed")
else()
  set(neon_dir ${CMAKE_CURRENT_BINARY_DIR}/neon)
  configure_file(${SPARSELLM_CATCH2_HEADER} ${neon_dir}/catch2/catch.hpp COPYONLY)
  set(neon_objects "")
  foreach(source catch2_main.cpp ${neon_sources})
    string(REPLACE "/" "." object ${source})
    set(object ${neon_dir}/${object}.o)
    # Catch2's main at -O0, as for the host.
    set(optimise -O2)
    if(source STREQUAL catch2_main.cpp)
      set(optimise -O0)
    endif()
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${SPARSELLM_AARCH64_GXX} -std=c++20 ${optimise} -Wall -Wextra -Werror
              -I${neon_dir} -I${CMAKE_CURRENT_SOURCE_DIR} -I${PROJECT_SOURCE_DIR}/include
              -MD -MF ${object}.d -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source}
      DEPFILE ${object}.d)
    list(APPEND neon_objects ${object})
  endforeach()
  add_custom_command(OUTPUT ${neon_dir}/kernels
                     COMMAND ${SPARSELLM_AARCH64_GXX} -static -pthread ${neon_objects} -o ${neon_dir}/kernels
                     DEPENDS ${neon_objects})
  add_custom_target(neon_kernels ALL DEPENDS ${neon_dir}/kernels)
  add_test(NAME neon COMMAND ${SPARSELLM_QEMU_AARCH64} ${neon_dir}/kernels)
  set_tests_properties(neon PROPERTIES TIMEOUT 1200)
endif()
