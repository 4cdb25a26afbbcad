# What the documents say is held against the code.
if(NOT Python3_FOUND)
  sparsellm_skip_test(docs.gpu_day_report "no Python 3")
  sparsellm_skip_test(docs.links "no Python 3")
  sparsellm_skip_test(docs.plots "no Python 3")
  sparsellm_skip_test(docs.site "no Python 3")
  sparsellm_skip_test(docs.shell "no Python 3")
  sparsellm_skip_test(docs.snippets "no Python 3")
  sparsellm_skip_test(docs.public_names "no Python 3")
  sparsellm_skip_test(docs.reference "no Python 3")
  return()
endif()
if(TARGET Eigen3::Eigen)
  set(snippets ${CMAKE_CURRENT_BINARY_DIR}/snippets.cpp)
  file(GLOB_RECURSE pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
  add_custom_command(OUTPUT ${snippets}
                     COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/snippets.py ${snippets}
                     DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/docs/snippets.py ${CMAKE_CURRENT_SOURCE_DIR}/docs/fences.py
                             ${PROJECT_SOURCE_DIR}/README.md ${pages})
  sparsellm_add_program(snippets ${snippets})
  target_link_libraries(sparsellm_snippets PRIVATE sparsellm_development Eigen3::Eigen)
  target_compile_options(sparsellm_snippets PRIVATE ${sparsellm_optimise_little})
  # A page need not use what it shows, and may declare again what it was given.
  set_source_files_properties(${snippets} PROPERTIES COMPILE_OPTIONS "-Wno-unused;-Wno-shadow")
  add_test(NAME docs.snippets COMMAND sparsellm_snippets)
else()
  sparsellm_skip_test(docs.snippets "Eigen 3.3 is not installed")
endif()
if(SPARSELLM_BUILD_EXAMPLES)
  add_test(NAME docs.shell
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/shell_blocks.py
                   $<TARGET_FILE:sparsellm-llama> $<TARGET_FILE:sparsellm_make_tiny_model> ${CMAKE_CXX_COMPILER})
  set_tests_properties(docs.shell PROPERTIES TIMEOUT 600)
else()
  sparsellm_skip_test(docs.shell "sparsellm-llama is not built")
endif()
if(SPARSELLM_INSTALL)
  add_test(NAME docs.cmake_block
           COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DGENERATOR=${CMAKE_GENERATOR}
                   -DCOMPILER=${CMAKE_CXX_COMPILER} -DWORK=${PROJECT_BINARY_DIR}/docs_cmake_block
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/docs/cmake_block.cmake)
else()
  sparsellm_skip_test(docs.cmake_block "SPARSELLM_INSTALL is off")
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
