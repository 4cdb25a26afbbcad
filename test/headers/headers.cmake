# Every public header compiles alone, first in its file, with warnings as errors.
file(GLOB_RECURSE public_headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include
     ${PROJECT_SOURCE_DIR}/include/sparsellm/*.hpp)
set(header_sources "")
foreach(header IN LISTS public_headers)
  # Some headers need a library of others; their own tests compile them.
  if(header MATCHES "cpu/executors/(openmp|tbb)_executor.hpp|reconstruct/(gram_factor|target|update).hpp|rotate/principal_axes.hpp")
    continue()
  endif()
  string(REPLACE "/" "." name ${header})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <${header}>\n#include <${header}>  // and again\n")
  list(APPEND header_sources ${source})
endforeach()
add_library(sparsellm_headers OBJECT ${header_sources})
target_link_libraries(sparsellm_headers PRIVATE sparsellm_development)
# -O0: this is about what is included, and the kernels would be optimised many times over.
target_compile_options(sparsellm_headers PRIVATE -Wconversion -Wno-sign-conversion -O0)
add_test(NAME headers_compile_alone
         COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target sparsellm_headers)
