# CUDA tests are ordinary programs. They run on a GPU where there is one, else through a launcher that
# executes their PTX (shared/cudasim beside the checkout), with its checks on; with neither they are
# skipped by name.
set(cuda_tests executor_test multiply_test)

set(SPARSELLM_CUDA_ARCHITECTURES 80-virtual CACHE STRING
    "What the CUDA tests are built for; PTX alone builds fastest and runs on newer GPUs too")
set(cuda_launcher "")
if(NOT EXISTS /dev/nvidia0 AND EXISTS ${PROJECT_SOURCE_DIR}/../shared/cudasim/run)
  set(cuda_launcher ${PROJECT_SOURCE_DIR}/../shared/cudasim/run)
endif()
set(SPARSELLM_CUDA_LAUNCHER "${cuda_launcher}" CACHE FILEPATH
    "Put in front of the CUDA tests: a program that runs them without a GPU")

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  set(no_cuda "there is no CUDA compiler")
elseif(SPARSELLM_SANITIZE)
  set(no_cuda "sanitizers of the host do not know the device; the launcher checks it")
endif()
if(no_cuda)
  foreach(test IN LISTS cuda_tests ITEMS determinism)
    sparsellm_skip_test(cuda.${test} "${no_cuda}")
  endforeach()
  return()
endif()

set(CMAKE_CUDA_ARCHITECTURES ${SPARSELLM_CUDA_ARCHITECTURES})
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
enable_language(CUDA)
set(cuda_sources ${cuda_tests})
list(TRANSFORM cuda_sources REPLACE "(.+)" "cuda/\\1.cu")
add_executable(cuda ${cuda_sources})
target_link_libraries(cuda PRIVATE sparsellm_catch2)
add_executable(cuda_bits cuda/bits.cu)
foreach(program cuda cuda_bits)
  target_include_directories(${program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(${program} PRIVATE SPARSELLM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${program} PRIVATE sparsellm)
  # Not CUDA_STANDARD: CMake 3.25 takes nvcc 13's default for C++20 and passes nothing.
  target_compile_options(${program} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 -Werror=all-warnings
                                            -lineinfo -Xcompiler=-Wall,-Wextra>)
endforeach()

if(NOT SPARSELLM_CUDA_LAUNCHER AND NOT EXISTS /dev/nvidia0)
  foreach(test IN LISTS cuda_tests ITEMS determinism)
    sparsellm_skip_test(cuda.${test} "neither a GPU nor a launcher; the test was built")
  endforeach()
  return()
endif()
set(environment "CUDASIM_BUILD=${PROJECT_BINARY_DIR}/cudasim")
if(SPARSELLM_CUDA_LAUNCHER)
  # Builds itself the first time.
  add_test(NAME cuda.launcher COMMAND ${SPARSELLM_CUDA_LAUNCHER} true)
  set_tests_properties(cuda.launcher PROPERTIES FIXTURES_SETUP cuda_launcher TIMEOUT 900
                       ENVIRONMENT "${environment}")
endif()
foreach(test IN LISTS cuda_tests)
  add_test(NAME cuda.${test}
           COMMAND ${SPARSELLM_CUDA_LAUNCHER} $<TARGET_FILE:cuda> --filenames-as-tags --warn NoTests
                   "[#${test}]")
  set_tests_properties(cuda.${test} PROPERTIES TIMEOUT 900 FIXTURES_REQUIRED cuda_launcher
    ENVIRONMENT "${environment};CUDASIM_STRICT=1;CUDASIM_INITCHECK=1;CUDASIM_RACECHECK=1;CUDASIM_LEAKCHECK=1")
endforeach()
add_test(NAME cuda.determinism
         COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:cuda_bits> "-DLAUNCHER=${SPARSELLM_CUDA_LAUNCHER}"
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/cuda/determinism.cmake)
set_tests_properties(cuda.determinism PROPERTIES TIMEOUT 900 FIXTURES_REQUIRED cuda_launcher
                     ENVIRONMENT "${environment};CUDASIM_STRICT=1")
