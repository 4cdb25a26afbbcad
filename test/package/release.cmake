# What a release is made of: the version, the archive, the Debian package, and the recipes of packaging/.
add_test(NAME package.version
         COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DROOT=${PROJECT_SOURCE_DIR}
                 -DVERSION=${PROJECT_VERSION} -DWORK=${PROJECT_BINARY_DIR}/package/version
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/package/version.cmake)

find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME package.recipes
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/package/recipes.py ${PROJECT_VERSION} ${CMAKE_COMMAND})
else()
  sparsellm_skip_test(package.recipes "no Python 3")
endif()

find_program(SPARSELLM_GIT NAMES git)
find_program(SPARSELLM_GZIP NAMES gzip)
find_program(SPARSELLM_DPKG_ARCHITECTURE NAMES dpkg-architecture)
find_program(SPARSELLM_LINTIAN NAMES lintian)
# A copy that is neither a checkout nor an archive of a commit does not know its date.
set(release_environment "")
file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/commit_date.txt commit_date)
if(NOT EXISTS ${PROJECT_SOURCE_DIR}/.git AND NOT commit_date MATCHES "^[0-9]+$" AND NOT DEFINED ENV{SOURCE_DATE_EPOCH})
  set(release_environment SOURCE_DATE_EPOCH=1700000000)
endif()
# GNU tar's options make the bytes; other tars have others.
set(tar_version "")
find_program(SPARSELLM_TAR NAMES tar)
if(SPARSELLM_TAR)
  execute_process(COMMAND ${SPARSELLM_TAR} --version OUTPUT_VARIABLE tar_version ERROR_QUIET)
endif()

if(NOT SPARSELLM_INSTALL OR NOT PROJECT_IS_TOP_LEVEL)
  sparsellm_skip_test(package.source_archive "SPARSELLM_INSTALL is off, or this is not the project on top")
elseif(NOT tar_version MATCHES "GNU tar" OR NOT SPARSELLM_GZIP)
  sparsellm_skip_test(package.source_archive "GNU tar or gzip is not installed")
elseif(EXISTS ${PROJECT_SOURCE_DIR}/.git AND NOT SPARSELLM_GIT)
  sparsellm_skip_test(package.source_archive "git is not installed")
else()
  add_test(NAME package.source_archive
           COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DROOT=${PROJECT_SOURCE_DIR}
                   -DGENERATOR=${CMAKE_GENERATOR} -DCPACK=${CMAKE_CPACK_COMMAND} -DVERSION=${PROJECT_VERSION}
                   -DBUILD=${PROJECT_BINARY_DIR} -DWORK=${PROJECT_BINARY_DIR}/package/source_archive
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/package/source_archive.cmake)
  set_tests_properties(package.source_archive PROPERTIES ENVIRONMENT "${release_environment}")
endif()

set(no_deb "")
if(NOT SPARSELLM_INSTALL OR NOT PROJECT_IS_TOP_LEVEL)
  set(no_deb "SPARSELLM_INSTALL is off, or this is not the project on top")
elseif(SPARSELLM_SANITIZE OR BUILD_SHARED_LIBS)
  set(no_deb "the package has the static library, without sanitizers")
elseif(NOT SPARSELLM_DPKG_ARCHITECTURE)
  set(no_deb "dpkg-dev is not installed")
elseif(EXISTS ${PROJECT_SOURCE_DIR}/.git AND NOT SPARSELLM_GIT)
  set(no_deb "git is not installed")
endif()
if(no_deb)
  sparsellm_skip_test(package.deb "${no_deb}")
  sparsellm_skip_test(package.lintian "${no_deb}")
  return()
endif()
add_test(NAME package.deb
         COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DROOT=${PROJECT_SOURCE_DIR}
                 -DGENERATOR=${CMAKE_GENERATOR} -DCPACK=${CMAKE_CPACK_COMMAND} -DVERSION=${PROJECT_VERSION}
                 -DLIBRARY=$<TARGET_FILE:sparsellm_compiled> -DWORK=${PROJECT_BINARY_DIR}/package/deb
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/package/deb.cmake)
set_tests_properties(package.deb PROPERTIES FIXTURES_SETUP sparsellm_deb ENVIRONMENT "${release_environment}")
if(SPARSELLM_LINTIAN)
  add_test(NAME package.lintian
           COMMAND ${CMAKE_COMMAND} -DLINTIAN=${SPARSELLM_LINTIAN} -DWORK=${PROJECT_BINARY_DIR}/package/deb
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/package/lintian.cmake)
  set_tests_properties(package.lintian PROPERTIES FIXTURES_REQUIRED sparsellm_deb)
else()
  sparsellm_skip_test(package.lintian "lintian is not installed")
endif()
