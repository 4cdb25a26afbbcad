# CUDA for tests and benchmarks, where there is a compiler for it: SPARSELLM_HAS_NVCC says so.
set(SPARSELLM_CUDA_ARCHITECTURES 80-virtual CACHE STRING
    "What CUDA tests and benchmarks are built for; PTX alone builds fastest and runs on newer GPUs too")
option(SPARSELLM_CUDA_PORTABLE
       "CUDA programs for another machine: the runtimes of CUDA and C++ in them, files in the folder they run in" OFF)
# script/get-nvcc's, where no toolkit is installed.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND EXISTS ${PROJECT_SOURCE_DIR}/.cache/cuda)
  find_program(SPARSELLM_NVCC nvcc HINTS ENV CUDAToolkit_ROOT ENV CUDA_PATH PATHS /usr/local/cuda/bin PATH_SUFFIXES bin)
  if(NOT SPARSELLM_NVCC)
    set(CMAKE_CUDA_COMPILER ${PROJECT_SOURCE_DIR}/.cache/cuda/bin/nvcc)
    set(CMAKE_BUILD_RPATH ${PROJECT_SOURCE_DIR}/.cache/cuda/lib)  # the system's loader does not know it
  endif()
endif()
include(CheckLanguage)
check_language(CUDA)
set(SPARSELLM_HAS_NVCC OFF)
# Sanitizers of the host do not know the device.
if(CMAKE_CUDA_COMPILER AND NOT SPARSELLM_SANITIZE)
  set(SPARSELLM_HAS_NVCC ON)
  set(CMAKE_CUDA_ARCHITECTURES ${SPARSELLM_CUDA_ARCHITECTURES})
  # A simulator of the device replaces the shared one.
  set(CMAKE_CUDA_RUNTIME_LIBRARY $<IF:$<BOOL:${SPARSELLM_CUDA_PORTABLE}>,Static,Shared>)
  enable_language(CUDA)
endif()

# Not CUDA_STANDARD: CMake 3.25 takes nvcc 13's default for C++20 and passes nothing. The host's half of
# these files only launches: optimised little, as the tests are.
set(sparsellm_cuda_options
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 -Werror=all-warnings -lineinfo -Xcompiler=-Wall,-Wextra>
    $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CUDA>>:-Xcompiler=-O1>)
if(SPARSELLM_CUDA_PORTABLE)
  list(APPEND sparsellm_cuda_options $<$<COMPILE_LANGUAGE:CUDA>:-Xfatbin=-compress-all>)  # machine code, too
endif()

# The device's products, compiled once for the architectures above. Not installed: a program of
# another list of architectures compiles its own.
if(SPARSELLM_HAS_NVCC)
  set(cuda_products bitmap channel nm rows semi_structured tiled)
  list(TRANSFORM cuda_products REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/src/cuda/\\1.cu")
  add_library(sparsellm_cuda_compiled STATIC EXCLUDE_FROM_ALL ${cuda_products})
  target_link_libraries(sparsellm_cuda_compiled PUBLIC sparsellm::compiled)
  target_compile_options(sparsellm_cuda_compiled PRIVATE ${sparsellm_cuda_options})
  target_compile_definitions(sparsellm_cuda_compiled INTERFACE SPARSELLM_CUDA_COMPILED)
endif()

# HEADER_ONLY: compiles the products it uses itself.
function(sparsellm_add_cuda_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg HEADER_ONLY "" "")
  sparsellm_add_program(${name} ${arg_UNPARSED_ARGUMENTS})
  if(arg_HEADER_ONLY)
    target_link_libraries(sparsellm_${name} PRIVATE sparsellm::compiled)
  else()
    target_link_libraries(sparsellm_${name} PRIVATE sparsellm_cuda_compiled)
  endif()
  target_compile_options(sparsellm_${name} PRIVATE ${sparsellm_cuda_options})
  if(SPARSELLM_CUDA_PORTABLE)
    target_link_options(sparsellm_${name} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()

function(sparsellm_add_cuda_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC sparsellm_cuda_compiled)
  target_compile_options(${name} PRIVATE ${sparsellm_cuda_options})
endfunction()
