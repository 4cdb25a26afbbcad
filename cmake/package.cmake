# What CPack makes (packaging/README.md): the source archive, and a Debian package of the headers and the compiled library.
#   cmake --build build --target package_source
#   cmake --preset debian && cmake --build build-debian && cd build-debian && cpack -G DEB
set(SPARSELLM_PACKAGE_CONTACT "The sparsellm authors <maintainers@sparsellm.invalid>" CACHE STRING
    "Who made the packages, NAME <ADDRESS>; the default says that there is no address")
set(SPARSELLM_PACKAGE_HOME "" CACHE STRING "The project's address on the web, for the packages; empty for none")

set(CPACK_PACKAGE_NAME sparsellm)
set(CPACK_PACKAGE_VENDOR "The sparsellm authors")
set(CPACK_PACKAGE_CONTACT "${SPARSELLM_PACKAGE_CONTACT}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_VERBATIM_VARIABLES ON)
# Two runs make the same bytes: dates are the commit's.
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/package_options.cmake)
set(CPACK_SPARSELLM_SOURCE ${PROJECT_SOURCE_DIR})

# CPack's own archives hold the order of files and the owner as the disk has them, and all that lies in the folder.
set(CPACK_SOURCE_GENERATOR External)
set(CPACK_SOURCE_PACKAGE_FILE_NAME sparsellm-${PROJECT_VERSION})
set(CPACK_EXTERNAL_PACKAGE_SCRIPT ${PROJECT_SOURCE_DIR}/cmake/source_archive.cmake)

set(CPACK_GENERATOR DEB)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/debian/finish.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/debian/same_bytes.cmake)
set(CPACK_SPARSELLM_AR ${CMAKE_AR})
set(CPACK_SPARSELLM_STRIP ${CMAKE_STRIP})
set(CPACK_SPARSELLM_LIBDIR ${CMAKE_INSTALL_LIBDIR})
set(CPACK_SPARSELLM_LICENSES ${CMAKE_INSTALL_DATADIR}/licenses)
set(CPACK_SPARSELLM_STATIC ON)
if(BUILD_SHARED_LIBS OR NOT SPARSELLM_BUILD_COMPILED)
  set(CPACK_SPARSELLM_STATIC OFF)
endif()
set(CPACK_DEBIAN_PACKAGE_NAME libsparsellm-dev)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_MULTIARCH same)  # CMake 3.31 and later write it
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "${SPARSELLM_PACKAGE_HOME}")
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# The library was compiled with g++ 12's or a later standard library. Eigen is for the component reconstruct alone.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libstdc++-12-dev | libstdc++-dev")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libeigen3-dev (>= 3.3), pkg-config")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "sparse products for large language models, without training (development)")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"sparsellm makes large language models sparse without training them, and
multiplies with what is left fast on CPUs: activations of small magnitude are
skipped with the weights they would have met (TEAL), and N of every M weights
are kept (E-Sparse). Results are the same to the bit for every number of
threads.
.
This package has the C++20 headers, the static library of the products of
every format, and the files by which CMake and pkg-config find them.")
include(CPack)
