# Thin wrappers, so that every CMakeLists.txt below reads as a list of files.

# ftc_add_library(Name sources... [DEPENDS libraries...])
function(ftc_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS})
endfunction()

# ftc_add_proto(Name file.proto [LITE]): a library of the generated messages, included as "<folder>/<file>.pb.h".
function(ftc_add_proto name file)
  cmake_parse_arguments(ARG "LITE" "" "" ${ARGN})
  file(RELATIVE_PATH rel ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  string(REGEX REPLACE "\\.proto$" "" stem ${rel})
  set(out ${PROJECT_BINARY_DIR}/${stem}.pb.cc ${PROJECT_BINARY_DIR}/${stem}.pb.h)
  add_custom_command(OUTPUT ${out}
    COMMAND protobuf::protoc --cpp_out=${PROJECT_BINARY_DIR} -I${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/${rel}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file} VERBATIM)
  add_library(${name} STATIC ${out})
  set_source_files_properties(${PROJECT_BINARY_DIR}/${stem}.pb.cc PROPERTIES COMPILE_OPTIONS "-w")
  target_link_libraries(${name} PUBLIC $<IF:$<BOOL:${ARG_LITE}>,protobuf::libprotobuf-lite,protobuf::libprotobuf>)
endfunction()

# ftc_add_test(Name sources... [DEPENDS libraries...] [LABELS labels...]): a GoogleTest program, run by ctest.
function(ftc_add_test name)
  if(NOT FTC_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "DEPENDS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test/bin)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
endfunction()

# ftc_add_gpu_run(Name): runs a test program of kernels once more, on the first GPU; skipped where there is none.
function(ftc_add_gpu_run name)
  if(NOT FTC_BUILD_TESTS)
    return()
  endif()
  add_test(NAME ${name}.Cuda COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name}.Cuda PROPERTIES LABELS gpu ENVIRONMENT FTC_TEST_DRIVER=cuda)
endfunction()
