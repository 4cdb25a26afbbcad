# What the documents say is held against the code.
if(NOT Python3_FOUND)
  sparsellm_skip_test(docs.gpu_day_report "no Python 3")
  sparsellm_skip_test(docs.links "no Python 3")
  sparsellm_skip_test(docs.plots "no Python 3")
  sparsellm_skip_test(docs.site "no Python 3")
  sparsellm_skip_test(docs.snippets "no Python 3")
  sparsellm_skip_test(docs.public_names "no Python 3")
  sparsellm_skip_test(docs.reference "no Python 3")
  return()
endif()
# SPARSELLM_COMPILED: the kernels need not be read once more for this.
if(TARGET Eigen3::Eigen)
  get_target_property(eigen Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
  add_test(NAME docs.snippets
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/snippets.py ${CMAKE_CXX_COMPILER}
                   -DSPARSELLM_COMPILED -isystem ${eigen})
else()
  sparsellm_skip_test(docs.snippets "Eigen 3.3 is not installed")
endif()
add_test(NAME docs.links COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/links.py)
find_program(SPARSELLM_MKDOCS NAMES mkdocs)
if(SPARSELLM_MKDOCS)
  add_test(NAME docs.site COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/script/docs ${PROJECT_BINARY_DIR}/site)
else()
  sparsellm_skip_test(docs.site "mkdocs is not installed")
endif()
# Only where gnuplot draws as the version that drew the committed plots (5.4, Debian 12's).
find_program(SPARSELLM_GNUPLOT NAMES gnuplot)
if(SPARSELLM_GNUPLOT)
  add_test(NAME docs.plots COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/script/plots --check)
  set_tests_properties(docs.plots PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
else()
  sparsellm_skip_test(docs.plots "gnuplot is not installed")
endif()
# What script/test --list-skipped ends with.
add_test(NAME docs.skipped_tests
         COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/skipped_tests.py
                 ${PROJECT_SOURCE_DIR}/script/skipped-tests)
# What script/gpu-day makes of a run.
add_test(NAME docs.gpu_day_report
         COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cuda/gpu_day_report.py ${PROJECT_SOURCE_DIR})
# test/docs/public_names.py --write takes over names that came or went.
add_test(NAME docs.public_names
         COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/public_names.py)
set_tests_properties(docs.public_names PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")

find_program(SPARSELLM_DOXYGEN NAMES doxygen)
if(SPARSELLM_DOXYGEN)
  add_test(NAME docs.reference
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/reference.py ${SPARSELLM_DOXYGEN}
                   ${PROJECT_BINARY_DIR}/reference)
else()
  sparsellm_skip_test(docs.reference "doxygen is not installed")
endif()
