# sparsellm::compiled beside the headers alone: the same bits, and never both in one program.
foreach(way header_only compiled)
  add_executable(sparsellm_bits_${way} compiled/bits.cpp)
  target_link_libraries(sparsellm_bits_${way} PRIVATE sparsellm_development_${way})
  # The library is optimised as ever: how much is optimised does not show in the bits either.
  target_compile_options(sparsellm_bits_${way} PRIVATE ${sparsellm_optimise_little})
endforeach()
add_test(NAME compiled.same_bits
         COMMAND ${CMAKE_COMMAND} -DHEADER_ONLY=$<TARGET_FILE:sparsellm_bits_header_only>
                 -DCOMPILED=$<TARGET_FILE:sparsellm_bits_compiled>
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/compiled/same_bits.cmake)
set(march "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(march -march=x86-64-v2)
endif()
if(SPARSELLM_SANITIZE)
  sparsellm_skip_test(compiled.mixing "the library is built with sanitizers, the test's files are not")
else()
  add_test(NAME compiled.mixing
           COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DROOT=${PROJECT_SOURCE_DIR}
                   -DWORK=${PROJECT_BINARY_DIR}/compiled_mixing -DMARCH=${march}
                   -DLIBRARY=$<TARGET_FILE:sparsellm_compiled>
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/compiled/mixing.cmake)
endif()
