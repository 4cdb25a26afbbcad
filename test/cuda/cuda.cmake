# CUDA tests are ordinary programs. They run on a GPU where there is one, else through a launcher that
# executes their PTX (shared/cudasim beside the checkout), with its checks on; with neither they are
# skipped by name.
set(cuda_tests executor_test gated_product_test multiply_test pack_test permute_test prune_test
    quantile_test semi_structured_product_test statistics_test top_k_test)

set(cuda_launcher "")
if(NOT EXISTS /dev/nvidia0 AND EXISTS ${PROJECT_SOURCE_DIR}/../shared/cudasim/run)
  set(cuda_launcher ${PROJECT_SOURCE_DIR}/../shared/cudasim/run)
endif()
set(SPARSELLM_CUDA_LAUNCHER "${cuda_launcher}" CACHE FILEPATH
    "Put in front of the CUDA tests: a program that runs them without a GPU")

if(SPARSELLM_SANITIZE)
  set(no_cuda "sanitizers of the host do not know the device; the launcher checks it")
elseif(NOT SPARSELLM_HAS_NVCC)
  set(no_cuda "there is no CUDA compiler")
endif()
if(no_cuda)
  foreach(test IN LISTS cuda_tests ITEMS determinism resources generate)
    sparsellm_skip_test(cuda.${test} "${no_cuda}")
  endforeach()
  return()
endif()

set(cuda_sources ${cuda_tests})
list(TRANSFORM cuda_sources REPLACE "(.+)" "cuda/\\1.cu")
sparsellm_add_cuda_program(cuda ${cuda_sources})
target_link_libraries(cuda PRIVATE sparsellm_catch2)
target_compile_definitions(cuda PRIVATE SPARSELLM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
sparsellm_add_cuda_program(cuda_bits cuda/bits.cu)
foreach(program cuda cuda_bits)
  target_include_directories(${program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
endforeach()

find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  # No kernel spills, and products bring no CUB header.
  add_test(NAME cuda.resources
           COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/script/cuda-resources --check 80 90)
  set_tests_properties(cuda.resources PROPERTIES TIMEOUT 900)
else()
  sparsellm_skip_test(cuda.resources "no Python 3")
endif()

if(NOT SPARSELLM_CUDA_LAUNCHER AND NOT EXISTS /dev/nvidia0)
  foreach(test IN LISTS cuda_tests ITEMS determinism generate)
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
if(SPARSELLM_BUILD_EXAMPLES AND Python3_FOUND)
  add_test(NAME cuda.generate
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cuda/generate.py $<TARGET_FILE:sparsellm-llama>
                   $<TARGET_FILE:make_tiny_model> ${PROJECT_SOURCE_DIR}/docs/kernels.md
                   ${PROJECT_SOURCE_DIR}/.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf ${SPARSELLM_CUDA_LAUNCHER})
  set_tests_properties(cuda.generate PROPERTIES TIMEOUT 900 FIXTURES_REQUIRED cuda_launcher
                       ENVIRONMENT "${environment};CUDASIM_STRICT=1")
endif()
