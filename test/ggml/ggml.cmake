# The plugin for llama.cpp, loaded by ggml as script/get-llamacpp builds it.
if(SPARSELLM_NO_GGML)
  sparsellm_skip_test(ggml "${SPARSELLM_NO_GGML}")
  return()
endif()
sparsellm_add_ggml_program(ggml ggml/forms_test.cpp ggml/products_test.cpp ggml/sparsity_test.cpp ggml/stack_test.cpp)
target_link_libraries(sparsellm_ggml PRIVATE sparsellm_catch2)
target_include_directories(sparsellm_ggml PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
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
