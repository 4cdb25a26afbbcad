# Two files, one for the OLDEST machines of an architecture and one for the NEWEST, linked in both
# orders: the old file's functions must still run on every one of the CPUS, under QEMU.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)
set(test ${ROOT}/test/package/odr)
set(compile ${COMPILER} -std=c++20 -O2 -I${ROOT}/include -c)
# Linked statically: another architecture's libraries are not where qemu looks for them.
set(link ${COMPILER} -static -pthread)
separate_arguments(CPUS)
file(MAKE_DIRECTORY ${WORK})
run("main.o" ${compile} -march=${OLDEST} ${test}/main.cpp -o ${WORK}/main.o)
run("wide.o" ${compile} -march=${NEWEST} ${test}/wide.cpp -o ${WORK}/wide.o)
run("link main, wide" ${link} ${WORK}/main.o ${WORK}/wide.o -o ${WORK}/main_first)
run("link wide, main" ${link} ${WORK}/wide.o ${WORK}/main.o -o ${WORK}/wide_first)
foreach(order main_first wide_first)
  foreach(cpu ${CPUS})
    run("${order} on ${cpu}" ${QEMU} -cpu ${cpu} ${WORK}/${order})
  endforeach()
endforeach()
