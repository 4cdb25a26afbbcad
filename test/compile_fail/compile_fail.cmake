# Every sentence that a static_assert says to users, held by a file that must not compile and must say
# it. A file's first line is the expected text; built with -DEXPECT_OK it must compile, so that it
# fails for the reason it is about.
file(GLOB compile_fail_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/*.cpp)
foreach(source IN LISTS compile_fail_sources)
  get_filename_component(name ${source} NAME_WE)
  add_test(NAME compile_fail.${name}
           COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DSOURCE=${source}
                   -DINCLUDE=${PROJECT_SOURCE_DIR}/include
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/check.cmake)
endforeach()
add_test(NAME compile_fail.every_sentence
         COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/every_sentence.cmake)
