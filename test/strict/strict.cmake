# The headers as a program meets them that gives them by -I and is strict itself. Only all.cpp: what
# templates do when they are used, the other tests compile.
find_program(SPARSELLM_CLANGXX_19 NAMES clang++-19)
foreach(compiler gxx clangxx clangxx_19)
  string(TOUPPER ${compiler} upper)
  if(SPARSELLM_${upper})
    add_test(NAME strict_warnings.${compiler}
             COMMAND ${CMAKE_COMMAND} -DCOMPILER=${SPARSELLM_${upper}} -DROOT=${PROJECT_SOURCE_DIR}
                     -P ${CMAKE_CURRENT_SOURCE_DIR}/strict/warnings.cmake)
  else()
    sparsellm_skip_test(strict_warnings.${compiler} "the compiler is not installed")
  endif()
endforeach()

# Another version has other checks.
find_program(SPARSELLM_CLANG_TIDY NAMES clang-tidy-14)
if(SPARSELLM_CLANG_TIDY)
  add_test(NAME clang_tidy
           COMMAND ${SPARSELLM_CLANG_TIDY} --quiet ${CMAKE_CURRENT_SOURCE_DIR}/strict/all.cpp
                   -- -std=c++20 -I${PROJECT_SOURCE_DIR}/include)
else()
  sparsellm_skip_test(clang_tidy "clang-tidy 14 is not installed")
endif()

if(EXISTS ${PROJECT_SOURCE_DIR}/.cache/clang-format)
  add_test(NAME format COMMAND bash ${PROJECT_SOURCE_DIR}/script/format --check)
else()
  sparsellm_skip_test(format "script/get-clang-format was not run")
endif()
