# Fails where the program's dynamic libraries name what must be opened at run time (CUDA, oneDNN, OpenMP), what it may not
# know (MLIR, LLVM) or what it holds statically, or where it does not start.
execute_process(COMMAND ldd ${PROGRAM} OUTPUT_VARIABLE libraries RESULT_VARIABLE code)
if(NOT code EQUAL 0 OR NOT libraries MATCHES "libc\\.so")
  message(FATAL_ERROR "ldd ${PROGRAM} failed (${code}):\n${libraries}")
endif()
if(libraries MATCHES "[^\n]*(MLIR|LLVM|cuda|cublas|cudnn|nccl|dnnl|gomp|pcre|protobuf|fmt)[^\n]*")
  message(FATAL_ERROR "${PROGRAM} links what it must open at run time or hold statically: ${CMAKE_MATCH_0}")
endif()
execute_process(COMMAND ${PROGRAM} --devices OUTPUT_VARIABLE text RESULT_VARIABLE code)
if(NOT code EQUAL 0 OR NOT text MATCHES "target names")
  message(FATAL_ERROR "${PROGRAM} --devices exits ${code}:\n${text}")
endif()
# With no oneDNN to be found it still starts and names what is missing.
execute_process(COMMAND ${CMAKE_COMMAND} -E env FTC_DNNL_DIR=/nonexistent ${PROGRAM} --devices
  OUTPUT_VARIABLE text RESULT_VARIABLE code)
if(NOT code EQUAL 0 OR NOT text MATCHES "missing: libdnnl.so.2 not found in /nonexistent[^\n]*libdnnl2")
  message(FATAL_ERROR "${PROGRAM} --devices without oneDNN exits ${code}:\n${text}")
endif()
