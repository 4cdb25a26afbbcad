# What tests, examples and benchmarks are built with; nothing here reaches a consumer.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

# Header-only or on the compiled library; nearly everything takes the latter, whose products are
# compiled once.
add_library(sparsellm_development_header_only INTERFACE)
target_link_libraries(sparsellm_development_header_only INTERFACE sparsellm::sparsellm)
add_library(sparsellm_development_compiled INTERFACE)
target_link_libraries(sparsellm_development_compiled INTERFACE sparsellm::compiled sparsellm_development_header_only)
add_library(sparsellm_development INTERFACE)
target_link_libraries(sparsellm_development INTERFACE sparsellm_development_compiled)
target_compile_options(sparsellm_development_header_only INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror>)
# g++ 12 sees overlapping copies in std::string's own operators (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(sparsellm_development_header_only INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
# Sources whose speed nobody meets: what is optimised little compiles a third faster.
set(sparsellm_optimise_little $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-O1>)
# A program is NAME on disk. Its target has our prefix: a project that we are built below may have a
# target 'unit', too.
function(sparsellm_add_program name)
  add_executable(sparsellm_${name} ${ARGN})
  set_target_properties(sparsellm_${name} PROPERTIES OUTPUT_NAME ${name})
endfunction()

include(${CMAKE_CURRENT_LIST_DIR}/cuda_development.cmake)
if(SPARSELLM_SANITIZE)
  target_compile_options(sparsellm_development_header_only INTERFACE
    -fsanitize=${SPARSELLM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(sparsellm_development_header_only INTERFACE -fsanitize=${SPARSELLM_SANITIZE})
endif()
