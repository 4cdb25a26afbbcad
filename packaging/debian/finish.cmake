# What Debian's policy asks of a package and an installation does not have; run by CPack on the staged files.
if(NOT CPACK_GENERATOR STREQUAL DEB)
  return()
endif()
set(usr ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr)
set(doc ${usr}/share/doc/${CPACK_DEBIAN_PACKAGE_NAME})

# The licence has its place in the file copyright.
file(REMOVE_RECURSE ${usr}/${CPACK_SPARSELLM_LICENSES})
file(MAKE_DIRECTORY ${doc})
file(COPY_FILE ${CPACK_SPARSELLM_SOURCE}/packaging/debian/copyright ${doc}/copyright)

string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)  # of SOURCE_DATE_EPOCH
file(WRITE ${doc}/changelog
"sparsellm (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * Release ${CPACK_PACKAGE_VERSION}; CHANGELOG.md of the sources says what it is.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
execute_process(COMMAND gzip -9 --no-name ${doc}/changelog COMMAND_ERROR_IS_FATAL ANY)

# As dh_strip has it: without the compiler's comments, and the same bytes whoever builds it.
execute_process(COMMAND ${CPACK_SPARSELLM_STRIP} --strip-debug --remove-section=.comment --remove-section=.note
                        --enable-deterministic-archives ${usr}/${CPACK_SPARSELLM_LIBDIR}/libsparsellm_compiled.a
                COMMAND_ERROR_IS_FATAL ANY)

# Whatever the umask was.
execute_process(COMMAND chmod -R u=rwX,go=rX ${usr} COMMAND_ERROR_IS_FATAL ANY)
