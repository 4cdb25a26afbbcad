# CUDA tests are ordinary programs. They run on a GPU where there is one, else through a launcher that
# executes their PTX (test/cudasim, a simulator), with its checks on.
set(cuda_tests activations_test any_weight_test executor_test multiply_gated_test multiply_rows_test multiply_test pack_test permute_test prune_test
    quantile_test semi_structured_product_test statistics_test tiled_product_test top_k_test workspace_test)

set(cuda_launcher "")
if(NOT EXISTS /dev/nvidia0)
  set(cuda_launcher ${CMAKE_CURRENT_SOURCE_DIR}/cudasim/run)
endif()
set(SPARSELLM_CUDA_LAUNCHER "${cuda_launcher}" CACHE FILEPATH
    "Put in front of the CUDA tests: a program that runs them without a GPU, or watches them on one")

if(SPARSELLM_SANITIZE)
  set(no_cuda "sanitizers of the host do not know the device; the launcher checks it")
elseif(NOT SPARSELLM_HAS_NVCC)
  set(no_cuda "there is no CUDA compiler")
endif()
if(no_cuda)
  foreach(test IN LISTS cuda_tests ITEMS architectures compiled_products determinism resources oldest_cccl
          model_test generate families gpu_day simulator)
    sparsellm_skip_test(cuda.${test} "${no_cuda}")
  endforeach()
  sparsellm_skip_test(example.07_gpu "${no_cuda}")
  return()
endif()

if(SPARSELLM_CUDA_PORTABLE)
  # What script/gpu-day takes along. One program of all tests, so that it has the products once.
  list(TRANSFORM cuda_tests REPLACE "(.+)" "cuda/\\1.cu" OUTPUT_VARIABLE sources)
  sparsellm_add_cuda_program(cuda_tests ${sources})
  target_compile_definitions(sparsellm_cuda_tests PRIVATE SPARSELLM_SOURCE_DIR=".")
  target_link_libraries(sparsellm_cuda_tests PRIVATE sparsellm_catch2)
  sparsellm_add_cuda_program(cuda_bits cuda/bits.cu)
  foreach(program tests bits)
    target_include_directories(sparsellm_cuda_${program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  endforeach()
  add_custom_target(sparsellm_cuda_programs)
  add_dependencies(sparsellm_cuda_programs sparsellm_cuda_tests sparsellm_cuda_bits sparsellm_cuda_measure)
  return()
endif()

cmake_path(GET CMAKE_CUDA_COMPILER PARENT_PATH toolkit)
cmake_path(GET toolkit PARENT_PATH toolkit)

# A program each: the launcher cannot load two files that both hold CUB's inline device variables.
foreach(test IN LISTS cuda_tests)
  set(products "")
  if(test STREQUAL semi_structured_product_test)
    set(products HEADER_ONLY)  # for more architectures than the others
  endif()
  sparsellm_add_cuda_program(cuda_${test} cuda/${test}.cu ${products})
  target_link_libraries(sparsellm_cuda_${test} PRIVATE sparsellm_catch2)
  target_compile_definitions(sparsellm_cuda_${test} PRIVATE SPARSELLM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endforeach()
if(NOT EXISTS /dev/nvidia0)
  set_property(TARGET sparsellm_cuda_semi_structured_product_test APPEND PROPERTY CUDA_ARCHITECTURES 90-virtual)
endif()
if(SPARSELLM_BUILD_EXAMPLES)
  sparsellm_add_program(cuda_model_test cuda/decode_test.cpp cuda/model_test.cpp cuda/steps_test.cpp)
  target_include_directories(sparsellm_cuda_model_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(sparsellm_cuda_model_test PRIVATE sparsellm_llama_cuda sparsellm_llama_model sparsellm_catch2)
endif()
sparsellm_add_cuda_program(cuda_bits cuda/bits.cu)
foreach(program IN LISTS cuda_tests ITEMS bits)
  target_include_directories(sparsellm_cuda_${program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
endforeach()

find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  # No kernel spills, and products bring no CUB header.
  add_test(NAME cuda.resources
           COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/script/cuda-resources --check 80 89 90 100)
  set_tests_properties(cuda.resources PROPERTIES TIMEOUT 900 ENVIRONMENT_MODIFICATION "PATH=path_list_prepend:${toolkit}/bin")
  add_test(NAME cuda.architectures
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cuda/architectures.py ${CMAKE_CUDA_COMPILER}
                   ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR}/cuda/architectures.cu)
  add_test(NAME cuda.compiled_products
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cuda/compiled_products.py
                   $<TARGET_OBJECTS:sparsellm_cuda_any_weight_test>)
else()
  foreach(test resources architectures compiled_products)
    sparsellm_skip_test(cuda.${test} "no Python 3")
  endforeach()
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/.cache/cccl)
  add_test(NAME cuda.oldest_cccl
           COMMAND ${CMAKE_CUDA_COMPILER} -std=c++20 -I${PROJECT_SOURCE_DIR}/.cache/cccl
                   -I${PROJECT_SOURCE_DIR}/include -DSPARSELLM_EXPECT_CUB=2000 -gencode
                   arch=compute_80,code=compute_80 -c ${CMAKE_CURRENT_SOURCE_DIR}/cuda/cccl.cu -o cccl.o)
  set_tests_properties(cuda.oldest_cccl PROPERTIES TIMEOUT 900)
else()
  sparsellm_skip_test(cuda.oldest_cccl "script/get-cccl was not run")
endif()

if(NOT SPARSELLM_CUDA_LAUNCHER AND NOT EXISTS /dev/nvidia0)
  foreach(test IN LISTS cuda_tests ITEMS determinism model_test generate families gpu_day)
    sparsellm_skip_test(cuda.${test} "neither a GPU nor a launcher; the test was built")
  endforeach()
  sparsellm_skip_test(example.07_gpu "neither a GPU nor a launcher; the program was built")
  return()
endif()
set(environment "CUDASIM_BUILD=${PROJECT_BINARY_DIR}/cudasim" "CUDAToolkit_ROOT=${toolkit}")
if(NOT EXISTS /dev/nvidia0)
  # The launcher builds itself the first time.
  add_test(NAME cuda.launcher COMMAND ${SPARSELLM_CUDA_LAUNCHER} true)
  set_tests_properties(cuda.launcher PROPERTIES FIXTURES_SETUP cuda_launcher TIMEOUT 900
                       ENVIRONMENT "${environment}")
  # Its own tests, in the folder that it is built in.
  add_test(NAME cuda.simulator
           COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR}/cudasim -DBUILD=${PROJECT_BINARY_DIR}/cudasim
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/cuda/simulator.cmake)
  set_tests_properties(cuda.simulator PROPERTIES TIMEOUT 900 FIXTURES_REQUIRED cuda_launcher
                       ENVIRONMENT "${environment}")
endif()
if(SPARSELLM_BUILD_EXAMPLES)
  list(APPEND cuda_tests model_test)
endif()
set(checks "CUDASIM_STRICT=1;CUDASIM_INITCHECK=1;CUDASIM_RACECHECK=1;CUDASIM_LEAKCHECK=1")
foreach(test IN LISTS cuda_tests)
  add_test(NAME cuda.${test}
           COMMAND ${SPARSELLM_CUDA_LAUNCHER} $<TARGET_FILE:sparsellm_cuda_${test}> ${sparsellm_no_tests_fail})
  set_tests_properties(cuda.${test} PROPERTIES TIMEOUT 900 FIXTURES_REQUIRED cuda_launcher
                       ENVIRONMENT "${environment};${checks}")
endforeach()
if(NOT EXISTS /dev/nvidia0)
  # The kernels on tensor cores, whose instructions depend on the architecture.
  foreach(test semi_structured_product_test tiled_product_test)
    add_test(NAME cuda.${test}.sm_90
             COMMAND ${SPARSELLM_CUDA_LAUNCHER} $<TARGET_FILE:sparsellm_cuda_${test}> ${sparsellm_no_tests_fail})
    set_tests_properties(cuda.${test}.sm_90 PROPERTIES TIMEOUT 900
      FIXTURES_REQUIRED cuda_launcher ENVIRONMENT "${environment};${checks};CUDASIM_ARCH=90")
  endforeach()
endif()
if(SPARSELLM_BUILD_EXAMPLES)
  add_test(NAME example.07_gpu COMMAND ${SPARSELLM_CUDA_LAUNCHER} $<TARGET_FILE:sparsellm_07_gpu>)
  set_tests_properties(example.07_gpu PROPERTIES FIXTURES_REQUIRED cuda_launcher ENVIRONMENT "${environment};${checks}")
endif()
add_test(NAME cuda.determinism
         COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:sparsellm_cuda_bits> "-DLAUNCHER=${SPARSELLM_CUDA_LAUNCHER}"
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/cuda/determinism.cmake)
set_tests_properties(cuda.determinism PROPERTIES TIMEOUT 900 FIXTURES_REQUIRED cuda_launcher
                     ENVIRONMENT "${environment};CUDASIM_STRICT=1")
if(SPARSELLM_BUILD_EXAMPLES AND Python3_FOUND)
  add_test(NAME cuda.generate
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cuda/generate.py $<TARGET_FILE:sparsellm-llama>
                   $<TARGET_FILE:sparsellm_make_tiny_model> ${PROJECT_SOURCE_DIR}/LICENSE
                   ${PROJECT_SOURCE_DIR}/.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf ${SPARSELLM_CUDA_LAUNCHER})
  add_test(NAME cuda.families
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/llama/family_methods.py $<TARGET_FILE:sparsellm-llama>
                   --device-only ${SPARSELLM_CUDA_LAUNCHER})
  set_tests_properties(cuda.generate cuda.families PROPERTIES TIMEOUT 900 FIXTURES_REQUIRED cuda_launcher
                       ENVIRONMENT "${environment};CUDASIM_STRICT=1")
endif()
# What is taken to a GPU, rehearsed at a tiny size.
if(SPARSELLM_BUILD_BENCHMARKS AND Python3_FOUND)
  add_test(NAME cuda.gpu_day
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cuda/gpu_day.py ${PROJECT_SOURCE_DIR}/bench/cuda/run.sh
                   $<TARGET_FILE:sparsellm_cuda_measure> $<TARGET_FILE:sparsellm_cuda_executor_test>
                   ${SPARSELLM_CUDA_LAUNCHER})
  set_tests_properties(cuda.gpu_day PROPERTIES TIMEOUT 900 FIXTURES_REQUIRED cuda_launcher
                       ENVIRONMENT "${environment};CUDASIM_STRICT=1;CUDASIM_INITCHECK=1;CUDASIM_RACECHECK=1")
endif()
