# The simulator's own tests: builds them where it is built and runs them. -DSOURCE=... -DBUILD=...
cmake_minimum_required(VERSION 3.22)
foreach(command
        "${CMAKE_COMMAND};-S;${SOURCE};-B;${BUILD};-DCUDASIM_TESTS=ON"
        "${CMAKE_COMMAND};--build;${BUILD}"
        "${CMAKE_CTEST_COMMAND};--test-dir;${BUILD};--output-on-failure")
  execute_process(COMMAND ${command} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
