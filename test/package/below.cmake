# Below another project: everything of ours is built without taking that project's names, and what it
# exports and installs may be linked to us.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)
set(test ${ROOT}/test/package)
set(ENV{CMAKE_GENERATOR} ${GENERATOR})
file(REMOVE_RECURSE ${WORK})
run("everything: configure" ${CMAKE_COMMAND} -S ${test}/below -B ${WORK}/below
    -DCMAKE_CXX_COMPILER=${COMPILER} -DSPARSELLM_SOURCE=${ROOT} -DEXAMPLES=${EXAMPLES} -DBENCHMARKS=${BENCHMARKS})
run("exported: configure" ${CMAKE_COMMAND} -S ${test}/exported -B ${WORK}/exported
    -DCMAKE_CXX_COMPILER=${COMPILER} -DSPARSELLM_SOURCE=${ROOT})
run("exported: build" ${CMAKE_COMMAND} --build ${WORK}/exported)
run("exported: install" ${CMAKE_COMMAND} --install ${WORK}/exported --prefix ${WORK}/installed)
run("its consumer: configure" ${CMAKE_COMMAND} -S ${test}/exported/consumer -B ${WORK}/consumer
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_PREFIX_PATH=${WORK}/installed)
run("its consumer: build" ${CMAKE_COMMAND} --build ${WORK}/consumer)
run("its consumer: run" ${WORK}/consumer/consumer)
