# sparsellm_source_date(<source> <variable>): when the sources were last changed, in seconds since 1970. That is
# SOURCE_DATE_EPOCH (reproducible-builds.org) where it is set, else the date of the commit, which an archive of it has
# in cmake/commit_date.txt.
function(sparsellm_source_date source variable)
  set(date "$ENV{SOURCE_DATE_EPOCH}")
  if(NOT date AND EXISTS ${source}/.git)
    execute_process(COMMAND git -c safe.directory=${source} -C ${source} log -1 --format=%ct
                    OUTPUT_VARIABLE date ERROR_VARIABLE error RESULT_VARIABLE result OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT result EQUAL 0)
      message(FATAL_ERROR "git does not say when ${source} was committed, set SOURCE_DATE_EPOCH: ${error}")
    endif()
  elseif(NOT date)
    file(STRINGS ${source}/cmake/commit_date.txt date)
  endif()
  if(NOT date MATCHES "^[0-9]+$")
    message(FATAL_ERROR "expected seconds since 1970, got '${date}': set SOURCE_DATE_EPOCH")
  endif()
  set(${variable} ${date} PARENT_SCOPE)
endfunction()
