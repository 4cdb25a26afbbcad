# The source archive: the same bytes twice, and from its own unpacked files; it can be configured and installed, and
# has what is committed.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)
set(ENV{CMAKE_GENERATOR} ${GENERATOR})
set(name sparsellm-${VERSION})
file(REMOVE_RECURSE ${WORK})

# pack(<what> <build> <umask>): archive_<what> is its checksum.
macro(pack what build umask)
  run("archive of ${what}" sh -c "umask ${umask} && '${CPACK}' --config ${build}/CPackSourceConfig.cmake -B ${WORK}/${what}")
  file(SHA256 ${WORK}/${what}/${name}.tar.gz archive_${what})
endmacro()
pack(sources ${BUILD} 022)
set(ENV{TZ} Asia/Tokyo)
pack(sources_again ${BUILD} 077)
if(NOT archive_sources STREQUAL archive_sources_again)
  message(FATAL_ERROR "two runs made two archives: ${archive_sources} and ${archive_sources_again}")
endif()

file(ARCHIVE_EXTRACT INPUT ${WORK}/sources/${name}.tar.gz DESTINATION ${WORK})
if(EXISTS ${ROOT}/.git)
  run("what is committed" git -c safe.directory=${ROOT} -c core.quotePath=off -C ${ROOT} ls-tree -r --name-only HEAD)
  string(STRIP "${OUTPUT}" committed)
  string(REPLACE "\n" ";" committed "${committed}")
  file(GLOB_RECURSE archived RELATIVE ${WORK}/${name} ${WORK}/${name}/*)
  list(SORT committed)
  list(SORT archived)
  if(NOT committed STREQUAL archived)
    message(FATAL_ERROR "the archive has other files than the commit")
  endif()
endif()

run("configure" ${CMAKE_COMMAND} -S ${WORK}/${name} -B ${WORK}/build -DCMAKE_CXX_COMPILER=${COMPILER}
    -DSPARSELLM_BUILD_TESTS=OFF -DSPARSELLM_BUILD_EXAMPLES=OFF -DSPARSELLM_BUILD_BENCHMARKS=OFF
    -DSPARSELLM_BUILD_COMPILED=OFF)
run("install" ${CMAKE_COMMAND} --install ${WORK}/build --prefix ${WORK}/installed)
if(NOT EXISTS ${WORK}/installed/include/sparsellm/sparsellm.hpp)
  message(FATAL_ERROR "the headers are not installed")
endif()
pack(itself ${WORK}/build 022)
if(NOT archive_sources STREQUAL archive_itself)
  message(FATAL_ERROR "the archive of the unpacked archive differs from it")
endif()
