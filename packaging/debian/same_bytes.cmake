# CPack writes the time of packing beside each of the three members of a .deb; they are put together again without.
if(NOT CPACK_GENERATOR STREQUAL DEB)
  return()
endif()
foreach(package IN LISTS CPACK_PACKAGE_FILES)
  set(folder ${package}.members)
  file(MAKE_DIRECTORY ${folder})
  execute_process(COMMAND ${CPACK_SPARSELLM_AR} xf ${package} WORKING_DIRECTORY ${folder} COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CPACK_SPARSELLM_AR} qcDS ${package}.partial debian-binary control.tar.gz data.tar.xz
                  WORKING_DIRECTORY ${folder} COMMAND_ERROR_IS_FATAL ANY)
  file(RENAME ${package}.partial ${package})
  file(REMOVE_RECURSE ${folder})
endforeach()
