# llama.cpp's programs with the plugin, on SmolLM2-135M and on small models made here, and on a text that does not change
# with the documentation.
set(llamacpp_model ${PROJECT_SOURCE_DIR}/.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf)
find_package(Python3 QUIET COMPONENTS Interpreter)
set(llamacpp_missing "")
foreach(program llama-bench llama-completion llama-perplexity llama-quantize llama-server ggml-rpc-server)
  if(NOT EXISTS ${ggml_libraries}/${program})
    set(llamacpp_missing "llama.cpp's programs are not built (script/test --all builds them)")
  endif()
endforeach()
if(NOT EXISTS ${llamacpp_model})
  set(llamacpp_missing "the model is not there (script/get-model)")
elseif(NOT SPARSELLM_BUILD_EXAMPLES)
  set(llamacpp_missing "sparsellm-llama, which they compare with, is not built")
elseif(NOT Python3_FOUND)
  set(llamacpp_missing "no Python 3")
endif()

if(NOT llamacpp_missing)
  sparsellm_add_program(evaluate ggml/evaluate.cpp)
  target_link_libraries(sparsellm_evaluate PRIVATE sparsellm_development
    ${ggml_libraries}/libllama.so ${ggml_libraries}/libggml.so ${ggml_libraries}/libggml-base.so)
  target_include_directories(sparsellm_evaluate SYSTEM PRIVATE
    ${SPARSELLM_GGML_SOURCE}/include ${SPARSELLM_GGML_SOURCE}/ggml/include)
  set_target_properties(sparsellm_evaluate PROPERTIES BUILD_RPATH ${ggml_libraries})
endif()

function(sparsellm_add_llamacpp_test name)
  if(llamacpp_missing)
    sparsellm_skip_test("llamacpp.${name}" "${llamacpp_missing}")
    return()
  endif()
  add_test(NAME llamacpp.${name}
           COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/ggml/llamacpp/${name}.py ${ggml_libraries}
                   $<TARGET_FILE:sparsellm_evaluate> $<TARGET_FILE:ggml-sparsellm> $<TARGET_FILE:sparsellm-llama>
                   ${llamacpp_model} ${PROJECT_SOURCE_DIR}/LICENSE ${CMAKE_CURRENT_BINARY_DIR}/llamacpp
                   ${ARGN})
  set_tests_properties(llamacpp.${name} PROPERTIES TIMEOUT 1200 PROCESSORS ${sparsellm_threads}
                       FIXTURES_REQUIRED llamacpp_models)
endfunction()

sparsellm_add_llamacpp_test(models)
if(NOT llamacpp_missing)
  set_tests_properties(llamacpp.models PROPERTIES FIXTURES_REQUIRED "" FIXTURES_SETUP llamacpp_models)
endif()
foreach(name architectures dense text sparse server rpc)
  sparsellm_add_llamacpp_test(${name})
endforeach()
