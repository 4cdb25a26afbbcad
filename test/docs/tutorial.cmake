# docs/tutorial.md: its blocks are built as programs, whose output is what the page says.
if(NOT Python3_FOUND)
  sparsellm_skip_test(docs.tutorial "no Python 3")
  sparsellm_skip_test(docs.tutorial_gpu "no Python 3")
  return()
endif()
set(script ${CMAKE_CURRENT_SOURCE_DIR}/docs/tutorial.py)
set(sources ${CMAKE_CURRENT_BINARY_DIR}/tutorial_sources)
file(MAKE_DIRECTORY ${sources})
add_custom_command(OUTPUT ${sources}/tutorial.cpp ${sources}/gpu.cu
                   COMMAND ${Python3_EXECUTABLE} ${script} extract ${sources}
                   DEPENDS ${script} ${PROJECT_SOURCE_DIR}/docs/tutorial.md)
sparsellm_add_program(tutorial ${sources}/tutorial.cpp)
target_link_libraries(sparsellm_tutorial PRIVATE sparsellm_development)
add_test(NAME docs.tutorial
         COMMAND ${Python3_EXECUTABLE} ${script} check cpp $<TARGET_FILE:sparsellm_tutorial> WORKING_DIRECTORY ${sources})

if(NOT SPARSELLM_HAS_NVCC OR SPARSELLM_CUDA_PORTABLE)
  sparsellm_skip_test(docs.tutorial_gpu "there is no CUDA compiler")
  return()
endif()
sparsellm_add_cuda_program(tutorial_gpu ${sources}/gpu.cu)
# Both programs' sources come from one run of the script.
add_dependencies(sparsellm_tutorial_gpu sparsellm_tutorial)
if(NOT SPARSELLM_CUDA_LAUNCHER AND NOT EXISTS /dev/nvidia0)
  sparsellm_skip_test(docs.tutorial_gpu "neither a GPU nor a launcher; the program was built")
  return()
endif()
add_test(NAME docs.tutorial_gpu
         COMMAND ${Python3_EXECUTABLE} ${script} check cuda ${SPARSELLM_CUDA_LAUNCHER} $<TARGET_FILE:sparsellm_tutorial_gpu>)
set_tests_properties(docs.tutorial_gpu PROPERTIES FIXTURES_REQUIRED cuda_launcher
                     ENVIRONMENT "CUDASIM_BUILD=${PROJECT_BINARY_DIR}/cudasim;CUDASIM_STRICT=1")
