# CUDA for tests and benchmarks, where there is a compiler for it: SPARSELLM_HAS_NVCC says so.
set(SPARSELLM_CUDA_ARCHITECTURES 80-virtual CACHE STRING
    "What CUDA tests and benchmarks are built for; PTX alone builds fastest and runs on newer GPUs too")
include(CheckLanguage)
check_language(CUDA)
set(SPARSELLM_HAS_NVCC OFF)
# Sanitizers of the host do not know the device.
if(CMAKE_CUDA_COMPILER AND NOT SPARSELLM_SANITIZE)
  set(SPARSELLM_HAS_NVCC ON)
  set(CMAKE_CUDA_ARCHITECTURES ${SPARSELLM_CUDA_ARCHITECTURES})
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  enable_language(CUDA)
endif()

# Not CUDA_STANDARD: CMake 3.25 takes nvcc 13's default for C++20 and passes nothing.
set(sparsellm_cuda_options
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 -Werror=all-warnings -lineinfo -Xcompiler=-Wall,-Wextra>)

function(sparsellm_add_cuda_program name)
  sparsellm_add_program(${name} ${ARGN})
  target_link_libraries(sparsellm_${name} PRIVATE sparsellm::compiled)
  target_compile_options(sparsellm_${name} PRIVATE ${sparsellm_cuda_options})
endfunction()

function(sparsellm_add_cuda_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC sparsellm::compiled)
  target_compile_options(${name} PRIVATE ${sparsellm_cuda_options})
endfunction()
