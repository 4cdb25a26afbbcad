# Consumers of an installed tree that was moved, from every compiler there is.
find_program(SPARSELLM_GXX NAMES g++)
find_program(SPARSELLM_CLANGXX NAMES clang++ clang++-14)
foreach(compiler gxx clangxx)
  string(TOUPPER ${compiler} upper)
  if(NOT SPARSELLM_INSTALL)
    sparsellm_skip_test(package.${compiler} "SPARSELLM_INSTALL is off")
  elseif(SPARSELLM_${upper})
    add_test(NAME package.${compiler}
             COMMAND ${CMAKE_COMMAND} -DCOMPILER=${SPARSELLM_${upper}} -DROOT=${PROJECT_SOURCE_DIR}
                     -DGENERATOR=${CMAKE_GENERATOR} -DBUILD=${PROJECT_BINARY_DIR} -DLIBDIR=${CMAKE_INSTALL_LIBDIR}
                     -DWORK=${PROJECT_BINARY_DIR}/package/${compiler}
                     "-DLAUNCHER=${SPARSELLM_CUDA_LAUNCHER}"
                     -P ${CMAKE_CURRENT_SOURCE_DIR}/package/check.cmake)
    set_tests_properties(package.${compiler} PROPERTIES FIXTURES_REQUIRED cuda_launcher
                         ENVIRONMENT CUDASIM_BUILD=${PROJECT_BINARY_DIR}/cudasim)
  else()
    sparsellm_skip_test(package.${compiler} "the compiler is not installed")
  endif()
endforeach()

foreach(where elsewhere below)
  add_test(NAME package.${where}
           COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DROOT=${PROJECT_SOURCE_DIR}
                   -DGENERATOR=${CMAKE_GENERATOR} -DWORK=${PROJECT_BINARY_DIR}/package/${where}
                   -DEXAMPLES=${SPARSELLM_BUILD_EXAMPLES} -DBENCHMARKS=${SPARSELLM_BUILD_BENCHMARKS}
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/package/${where}.cmake)
endforeach()

# sparsellm_add_odr_test(<name> <compiler> <qemu> <oldest -march> <newest> <emulated processors>...)
function(sparsellm_add_odr_test name compiler qemu oldest newest)
  if(NOT compiler OR NOT qemu)
    sparsellm_skip_test(${name} "the compiler or qemu-user is not installed")
    return()
  endif()
  add_test(NAME ${name}
           COMMAND ${CMAKE_COMMAND} -DCOMPILER=${compiler} -DQEMU=${qemu} -DOLDEST=${oldest} -DNEWEST=${newest}
                   "-DCPUS=${ARGN}" -DROOT=${PROJECT_SOURCE_DIR} -DWORK=${PROJECT_BINARY_DIR}/${name}
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/package/odr.cmake)
endfunction()

find_program(SPARSELLM_QEMU_X86_64 NAMES qemu-x86_64)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  sparsellm_add_odr_test(package.odr ${CMAKE_CXX_COMPILER} ${SPARSELLM_QEMU_X86_64}
                         x86-64 x86-64-v4 Nehalem Haswell max)
else()
  sparsellm_skip_test(package.odr "this is no x86-64 machine")
endif()
find_program(SPARSELLM_AARCH64_GXX NAMES aarch64-linux-gnu-g++)
find_program(SPARSELLM_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
sparsellm_add_odr_test(package.odr.aarch64 ${SPARSELLM_AARCH64_GXX} ${SPARSELLM_QEMU_AARCH64}
                       armv8-a armv9-a cortex-a53 max)

add_test(NAME package.fast_math
         COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DROOT=${PROJECT_SOURCE_DIR}
                 -DWORK=${PROJECT_BINARY_DIR}/package/fast_math
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/package/fast_math.cmake)
