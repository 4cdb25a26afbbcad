# What the documents say is held against the code.
if(NOT Python3_FOUND)
  sparsellm_skip_test(docs.snippets "no Python 3")
  return()
endif()
# SPARSELLM_COMPILED: the kernels need not be read once more for this.
add_test(NAME docs.snippets
         COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/snippets.py ${CMAKE_CXX_COMPILER}
                 -DSPARSELLM_COMPILED)
