# What tests, examples and benchmarks are built with; nothing here reaches a consumer.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

add_library(sparsellm_development INTERFACE)
target_link_libraries(sparsellm_development INTERFACE sparsellm::compiled)
target_compile_options(sparsellm_development INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror>)
# g++ 12 sees overlapping copies in std::string's own operators (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(sparsellm_development INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
include(${CMAKE_CURRENT_LIST_DIR}/cuda_development.cmake)
if(SPARSELLM_SANITIZE)
  target_compile_options(sparsellm_development INTERFACE
    -fsanitize=${SPARSELLM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(sparsellm_development INTERFACE -fsanitize=${SPARSELLM_SANITIZE})
endif()
