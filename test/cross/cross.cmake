# Tests on machines that are not this one: cross-compiled, run under qemu-user. Catch2's single header
# is copied and nlohmann's folder linked, for /usr/include is the wrong machine's.
find_file(SPARSELLM_CATCH2_HEADER catch2/catch.hpp)
find_path(SPARSELLM_NLOHMANN_HEADERS nlohmann/json.hpp)

# sparsellm_add_cross_test(<name> <processor> OPTIMISE <flag> SOURCES <file>... ARGUMENTS <Catch2's>...
#                          BEST <instruction set> MODELS <model>=<instruction set>... MODEL_ARGUMENTS <Catch2's>...)
# The program expects BEST to be the best instruction set of all that qemu emulates. It runs again, as <name>_<model>,
# on each of MODELS, and expects to find no better one than named there.
function(sparsellm_add_cross_test name processor)
  cmake_parse_arguments(cross "" "OPTIMISE;BEST" "SOURCES;ARGUMENTS;MODELS;MODEL_ARGUMENTS" ${ARGN})
  string(TOUPPER ${processor} upper)
  find_program(SPARSELLM_${upper}_GXX NAMES ${processor}-linux-gnu-g++)
  find_program(SPARSELLM_QEMU_${upper} NAMES qemu-${processor} qemu-${processor}-static)
  set(compiler ${SPARSELLM_${upper}_GXX})
  if(NOT compiler OR NOT SPARSELLM_QEMU_${upper})
    sparsellm_skip_test(${name} "${processor}-linux-gnu-g++ or qemu-${processor} is not installed")
    return()
  elseif(NOT SPARSELLM_CATCH2_HEADER OR NOT SPARSELLM_NLOHMANN_HEADERS)
    sparsellm_skip_test(${name} "Catch2 2's single header or nlohmann-json is not installed")
    return()
  endif()
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/${name})
  configure_file(${SPARSELLM_CATCH2_HEADER} ${dir}/catch2/catch.hpp COPYONLY)
  file(CREATE_LINK ${SPARSELLM_NLOHMANN_HEADERS}/nlohmann ${dir}/nlohmann SYMBOLIC)
  set(objects "")
  foreach(source ${CMAKE_CURRENT_SOURCE_DIR}/catch2_main.cpp ${cross_SOURCES})
    get_filename_component(source ${source} ABSOLUTE)
    file(RELATIVE_PATH object ${PROJECT_SOURCE_DIR} ${source})
    string(REPLACE "/" "." object ${object})
    set(object ${dir}/${object}.o)
    # Catch2's main at -O0, as for the host.
    set(optimise ${cross_OPTIMISE})
    if(source MATCHES "catch2_main.cpp$")
      set(optimise -O0)
    endif()
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${compiler} -std=c++20 ${optimise} -Wall -Wextra -Werror
              -I${dir} -I${CMAKE_CURRENT_SOURCE_DIR} -I${PROJECT_SOURCE_DIR}/include
              -DSPARSELLM_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\" -I${PROJECT_SOURCE_DIR}/examples/llama -MD -MF ${object}.d -c ${source} -o ${object}
      DEPENDS ${source}
      DEPFILE ${object}.d
      VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  add_custom_command(OUTPUT ${dir}/tests
                     COMMAND ${compiler} -static -pthread ${objects} -o ${dir}/tests
                     DEPENDS ${objects})
  add_custom_target(sparsellm_${name}_tests ALL DEPENDS ${dir}/tests)
  add_test(NAME ${name} COMMAND ${SPARSELLM_QEMU_${upper}} ${dir}/tests ${cross_ARGUMENTS})
  set_tests_properties(${name} PROPERTIES TIMEOUT 1200)
  if(cross_BEST)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT SPARSELLM_EXPECTED_ISA=${cross_BEST})
  endif()
  foreach(model ${cross_MODELS})
    string(REPLACE "=" ";" model ${model})
    list(GET model 1 isa)
    list(GET model 0 model)
    add_test(NAME ${name}_${model}
             COMMAND ${SPARSELLM_QEMU_${upper}} -cpu ${model} ${dir}/tests ${cross_MODEL_ARGUMENTS})
    set_tests_properties(${name}_${model} PROPERTIES TIMEOUT 1200
                         ENVIRONMENT SPARSELLM_EXPECTED_ISA=${isa})
  endforeach()
endfunction()

# The kernels' laws on Armv8, and on models that lack instructions of later ones: there a lesser set
# must be chosen, and must not use what it is not named after.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  sparsellm_skip_test(neon "this is an Arm machine: 'unit' tests NEON")
else()
  sparsellm_add_cross_test(neon aarch64 OPTIMISE -O2
    SOURCES cpu/bfmmla_test.cpp cpu/isa_test.cpp cpu/kernel_test.cpp core/scalar_test.cpp
    BEST neon_bf16 MODELS cortex-a53=neon neoverse-n1=neon_dot
    MODEL_ARGUMENTS "isa:*,kernels: a batch gives*")
endif()

# What depends on the order of bytes, on a machine that has the other one: formats, hashes, selection,
# products, model files. How many threads there are does not.
sparsellm_add_cross_test(big_endian s390x OPTIMISE -O1
  SOURCES calibrate/weight_hash_test.cpp core/scalar_test.cpp cpu/kernel_test.cpp
          llama/gguf_test.cpp llama/little_endian_test.cpp multiply/multiply_test.cpp
          pack/exchange_test.cpp pack/n_of_m_test.cpp pack/pack_test.cpp pack/quantized_test.cpp
          pack/super_blocks_test.cpp sparsify/selector_test.cpp
          ../examples/llama/files/config.cpp ../examples/llama/files/dequantize.cpp
          ../examples/llama/files/family.cpp ../examples/llama/files/finite.cpp ../examples/llama/files/rotary.cpp
          ../examples/llama/files/file_kind.cpp ../examples/llama/files/gguf.cpp
          ../examples/llama/files/known_keys.cpp ../examples/llama/files/mapped_file.cpp
          ../examples/llama/files/model_file.cpp ../examples/llama/files/projection.cpp
          ../examples/llama/files/utf8.cpp
  ARGUMENTS "~kernels: the same bits for every thread count*")
