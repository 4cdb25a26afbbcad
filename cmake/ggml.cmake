# ggml as script/get-llamacpp builds it: what the plugin's tests and its example load it with.
find_library(SPARSELLM_GGML_LIBRARY ggml PATHS ${PROJECT_SOURCE_DIR}/.cache/llamacpp/build/bin NO_DEFAULT_PATH)
set(SPARSELLM_NO_GGML "")
if(NOT SPARSELLM_BUILD_GGML_PLUGIN)
  set(SPARSELLM_NO_GGML "the plugin is not built (script/get-llamacpp gets what it needs)")
elseif(NOT SPARSELLM_GGML_LIBRARY)
  set(SPARSELLM_NO_GGML "ggml is not built (script/get-llamacpp libraries)")
elseif(SPARSELLM_SANITIZE)
  set(SPARSELLM_NO_GGML "ggml and its OpenMP are not instrumented")
endif()
get_filename_component(ggml_libraries "${SPARSELLM_GGML_LIBRARY}" DIRECTORY)

# sparsellm_add_ggml_program(<name> <source>...): a program that can load the plugin.
function(sparsellm_add_ggml_program name)
  sparsellm_add_program(${name} ${ARGN})
  target_link_libraries(sparsellm_${name} PRIVATE sparsellm_development
    ${ggml_libraries}/libggml.so ${ggml_libraries}/libggml-cpu.so ${ggml_libraries}/libggml-base.so)
  target_include_directories(sparsellm_${name} SYSTEM PRIVATE ${SPARSELLM_GGML_SOURCE}/ggml/include)
  set_target_properties(sparsellm_${name} PROPERTIES BUILD_RPATH ${ggml_libraries})
  add_dependencies(sparsellm_${name} ggml-sparsellm)
endfunction()
