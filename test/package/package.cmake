# Consumers of an installed tree that was moved, from every compiler there is.
find_program(SPARSELLM_GXX NAMES g++)
find_program(SPARSELLM_CLANGXX NAMES clang++ clang++-14)
foreach(compiler gxx clangxx)
  string(TOUPPER ${compiler} upper)
  if(SPARSELLM_${upper})
    add_test(NAME package.${compiler}
             COMMAND ${CMAKE_COMMAND} -DCOMPILER=${SPARSELLM_${upper}} -DROOT=${PROJECT_SOURCE_DIR}
                     -DGENERATOR=${CMAKE_GENERATOR} -DBUILD=${PROJECT_BINARY_DIR}
                     -DWORK=${PROJECT_BINARY_DIR}/package/${compiler}
                     "-DLAUNCHER=${SPARSELLM_CUDA_LAUNCHER}"
                     -P ${CMAKE_CURRENT_SOURCE_DIR}/package/check.cmake)
    set_tests_properties(package.${compiler} PROPERTIES FIXTURES_REQUIRED cuda_launcher
                         ENVIRONMENT CUDASIM_BUILD=${PROJECT_BINARY_DIR}/cudasim)
  else()
    sparsellm_skip_test(package.${compiler} "the compiler is not installed")
  endif()
endforeach()

find_program(SPARSELLM_QEMU_X86_64 NAMES qemu-x86_64)
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  sparsellm_skip_test(package.odr "this is no x86-64 machine")
elseif(NOT SPARSELLM_QEMU_X86_64)
  sparsellm_skip_test(package.odr "qemu-x86_64 is not installed")
else()
  add_test(NAME package.odr
           COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DROOT=${PROJECT_SOURCE_DIR}
                   -DQEMU=${SPARSELLM_QEMU_X86_64} -DWORK=${PROJECT_BINARY_DIR}/package/odr
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/package/odr.cmake)
endif()

add_test(NAME package.fast_math
         COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DROOT=${PROJECT_SOURCE_DIR}
                 -DWORK=${PROJECT_BINARY_DIR}/package/fast_math
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/package/fast_math.cmake)
