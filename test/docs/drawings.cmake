# docs/drawings are what the formats' code gives.
if(NOT Python3_FOUND)
  sparsellm_skip_test(docs.drawings "no Python 3")
  return()
endif()
sparsellm_add_program(format_maps docs/format_maps.cpp)
target_link_libraries(sparsellm_format_maps PRIVATE sparsellm_development)
add_test(NAME docs.drawings
         COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/script/drawings --check $<TARGET_FILE:sparsellm_format_maps>)
