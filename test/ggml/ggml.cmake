# The plugin for llama.cpp, loaded by ggml as script/get-llamacpp builds it.
find_library(SPARSELLM_GGML_LIBRARY ggml PATHS ${PROJECT_SOURCE_DIR}/.cache/llamacpp/build/bin NO_DEFAULT_PATH)
if(NOT SPARSELLM_BUILD_GGML_PLUGIN)
  sparsellm_skip_test(ggml "the plugin is not built (script/get-llamacpp gets what it needs)")
  return()
endif()
if(NOT SPARSELLM_GGML_LIBRARY)
  sparsellm_skip_test(ggml "ggml is not built (script/get-llamacpp libraries)")
  return()
endif()
if(SPARSELLM_SANITIZE)
  sparsellm_skip_test(ggml "ggml and its OpenMP are not instrumented")
  return()
endif()
get_filename_component(ggml_libraries ${SPARSELLM_GGML_LIBRARY} DIRECTORY)
sparsellm_add_program(ggml ggml/forms_test.cpp ggml/products_test.cpp ggml/sparsity_test.cpp ggml/stack_test.cpp)
target_link_libraries(sparsellm_ggml PRIVATE sparsellm_development sparsellm_catch2
  ${ggml_libraries}/libggml.so ${ggml_libraries}/libggml-cpu.so ${ggml_libraries}/libggml-base.so)
target_include_directories(sparsellm_ggml PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_include_directories(sparsellm_ggml SYSTEM PRIVATE ${SPARSELLM_GGML_SOURCE}/ggml/include)
set_target_properties(sparsellm_ggml PROPERTIES BUILD_RPATH ${ggml_libraries})
add_dependencies(sparsellm_ggml ggml-sparsellm)
# A case each in a process of its own: a plugin is not taken out again.
catch_discover_tests(sparsellm_ggml TEST_PREFIX "ggml: "
  PROPERTIES TIMEOUT 300 ENVIRONMENT "SPARSELLM_TEST_PLUGIN=$<TARGET_FILE:ggml-sparsellm>")

add_test(NAME "ggml: a pruned weight is packed as N:M" COMMAND sparsellm_ggml "*zeros that follow*")
set_tests_properties("ggml: a pruned weight is packed as N:M" PROPERTIES
  ENVIRONMENT "SPARSELLM_TEST_PLUGIN=$<TARGET_FILE:ggml-sparsellm>"
  PASS_REGULAR_EXPRESSION "blk.0.ffn_up.weight: bf16 as n_of_m 2:4.*blk.1.ffn_up.weight: bf16 as panel.*bf16 as n_of_m 4:8")

# Two libraries under one name: this one is asked first which version ggml is.
add_library(sparsellm_other_ggml_version SHARED ggml/other_version.cpp)
add_test(NAME "ggml: a program with another version of ggml is refused" COMMAND sparsellm_ggml "*there once*")
set_tests_properties("ggml: a program with another version of ggml is refused" PROPERTIES
  ENVIRONMENT "SPARSELLM_TEST_PLUGIN=$<TARGET_FILE:ggml-sparsellm>;LD_PRELOAD=$<TARGET_FILE:sparsellm_other_ggml_version>"
  PASS_REGULAR_EXPRESSION "this plugin was built for ggml [0-9.]+, the program has 99.1.2")

include(ggml/llamacpp.cmake)
