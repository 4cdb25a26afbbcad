# What a release is made of: the version, the archive, the Debian package, and the recipes of packaging/.
add_test(NAME package.version
         COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DROOT=${PROJECT_SOURCE_DIR}
                 -DVERSION=${PROJECT_VERSION} -DWORK=${PROJECT_BINARY_DIR}/package/version
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/package/version.cmake)
