# Read by CPack before it packs.
include(${CPACK_SPARSELLM_SOURCE}/cmake/source_date.cmake)
sparsellm_source_date(${CPACK_SPARSELLM_SOURCE} date)
set(ENV{SOURCE_DATE_EPOCH} ${date})

if(CPACK_GENERATOR STREQUAL DEB)
  if(NOT CPACK_SPARSELLM_STATIC)
    message(FATAL_ERROR "the Debian package has the static library: configure with SPARSELLM_BUILD_COMPILED=ON and "
                        "BUILD_SHARED_LIBS=OFF (the preset debian does)")
  endif()
  if(NOT CPACK_SPARSELLM_LIBDIR MATCHES "^lib/.+-linux-gnu")
    message(FATAL_ERROR "libraries of a Debian package lie in lib/<architecture>, expected by this build in "
                        "'${CPACK_SPARSELLM_LIBDIR}': configure with CMAKE_INSTALL_PREFIX=/usr (the preset debian does)")
  endif()
endif()
