# run(what command...): runs it, and stops with its output when it fails. OUTPUT is what it printed.
macro(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE OUTPUT
                  ERROR_VARIABLE OUTPUT)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed:\n${OUTPUT}")
  endif()
  message(STATUS "${what}: ok")
endmacro()
