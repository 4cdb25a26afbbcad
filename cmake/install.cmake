# Headers, two export sets, and a package that can be moved after installation.
include(CMakePackageConfigHelpers)

# The CUDA side is installed as headers always; what it links to is found by the consumer who asks
# for COMPONENTS cuda (cmake/sparsellm-config.cmake.in).
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sparsellm DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS sparsellm EXPORT sparsellm-targets)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/sparsellm)

# A package of headers alone is the same for every machine and lies in share/; one that names a compiled library
# belongs to an architecture, and lies beside that library.
if(SPARSELLM_BUILD_COMPILED)
  set(package_root ${CMAKE_INSTALL_LIBDIR})
else()
  set(package_root ${CMAKE_INSTALL_DATADIR})
endif()
# pkg-config's files find the rest of the tree from where they lie, so that it may be moved; a folder
# that was given as an absolute path stays that path.
set(pkgconfig_dir ${package_root}/pkgconfig)
if(IS_ABSOLUTE ${pkgconfig_dir})
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  string(REGEX REPLACE "[^/]+" ".." up "${pkgconfig_dir}")
  set(pc_prefix "\${pcfiledir}/${up}")
endif()
foreach(dir INCLUDEDIR LIBDIR)
  set(pc_${dir} ${CMAKE_INSTALL_${dir}})
  if(NOT IS_ABSOLUTE ${pc_${dir}})
    string(PREPEND pc_${dir} "\${prefix}/")
  endif()
endforeach()

set(package_dir ${package_root}/cmake/sparsellm)
install(EXPORT sparsellm-targets NAMESPACE sparsellm:: DESTINATION ${package_dir})
# The compiled library is a component: found by those who ask for COMPONENTS compiled.
if(SPARSELLM_BUILD_COMPILED)
  install(TARGETS sparsellm_compiled EXPORT sparsellm-compiled-targets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(EXPORT sparsellm-compiled-targets NAMESPACE sparsellm:: DESTINATION ${package_dir})
  configure_file(cmake/sparsellm-compiled.pc.in ${PROJECT_BINARY_DIR}/sparsellm-compiled.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/sparsellm-compiled.pc DESTINATION ${pkgconfig_dir})
endif()
configure_package_config_file(cmake/sparsellm-config.cmake.in
                              ${PROJECT_BINARY_DIR}/sparsellm-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sparsellm-config-version.cmake
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/sparsellm-config.cmake
              ${PROJECT_BINARY_DIR}/sparsellm-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/cuda.cmake DESTINATION ${package_dir})

configure_file(cmake/sparsellm.pc.in ${PROJECT_BINARY_DIR}/sparsellm.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sparsellm.pc DESTINATION ${pkgconfig_dir})
