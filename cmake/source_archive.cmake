# The source archive, run by CPack: of a checkout what is committed, else what the folder holds. The same sources
# make the same bytes, on every machine that has GNU tar and gzip, and from the unpacked archive too.
set(source ${CPACK_SPARSELLM_SOURCE})
set(folder ${CPACK_TEMPORARY_DIRECTORY}/tree)
set(name ${CPACK_PACKAGE_FILE_NAME})
set(archive ${CPACK_PACKAGE_DIRECTORY}/${name}.tar.gz)
file(REMOVE_RECURSE ${folder})
file(MAKE_DIRECTORY ${folder}/${name})

if(EXISTS ${source}/.git)
  execute_process(COMMAND git -c safe.directory=${source} -C ${source} archive --format=tar HEAD
                  COMMAND tar --extract --directory ${folder}/${name} COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND git -c safe.directory=${source} -C ${source} status --porcelain OUTPUT_VARIABLE changes)
  if(changes)
    message(WARNING "what is not committed is not in the archive:\n${changes}")
  endif()
else()
  # What .gitignore names is made here and is no source.
  file(COPY ${source}/ DESTINATION ${folder}/${name} USE_SOURCE_PERMISSIONS
       REGEX "^${source}/(build[^/]*|demo|\\.cache|\\.gpu-day[^/]*)$" EXCLUDE
       REGEX "/(__pycache__|compile_commands\\.json|[^/]*\\.partial)$" EXCLUDE)
endif()

execute_process(COMMAND tar --create --format=ustar --sort=name --mtime=@$ENV{SOURCE_DATE_EPOCH} --owner=0 --group=0
                        --numeric-owner --mode=u=rwX,go=rX --directory ${folder} ${name}
                COMMAND gzip -9 --no-name OUTPUT_FILE ${archive}.partial COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${archive}.partial ${archive})
set(CPACK_EXTERNAL_BUILT_PACKAGES ${archive})
