# One static library per folder of src/. A module sees the headers of the modules it names, and no others: each
# module's headers are reached through a link farm holding that one folder, so a forbidden include does not compile.

set(FLEXINFER_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual
                       -Wimplicit-fallthrough -Wundef)

function(flexinfer_compile_options target)
  target_compile_options(${target} PRIVATE ${FLEXINFER_WARNINGS})
  if(FLEXINFER_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  # The bits of the output are part of the contract: the compiler may not fuse or reorder floating point by itself.
  target_compile_options(${target} PRIVATE -ffp-contract=off)
  if(FLEXINFER_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${FLEXINFER_SANITIZE} -fno-sanitize-recover=all
                                             -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${FLEXINFER_SANITIZE})
  endif()
endfunction()

# The include root that holds only the folder `module`.
function(flexinfer_include_root module out)
  set(root ${PROJECT_BINARY_DIR}/include/${module})
  file(MAKE_DIRECTORY ${root})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${module} ${root}/${module} SYMBOLIC)
  set(${out} ${root} PARENT_SCOPE)
endfunction()

# flexinfer_module(NAME SOURCES a.cpp ... [MODULES base io ...] [LIBRARIES fmt::fmt ...])
function(flexinfer_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;MODULES;LIBRARIES" ${ARGN})
  set(target flexinfer_${name})
  add_library(${target} STATIC ${ARG_SOURCES})
  flexinfer_compile_options(${target})
  flexinfer_include_root(${name} root)
  target_include_directories(${target} PUBLIC ${root} ${PROJECT_SOURCE_DIR}/include)
  foreach(module ${ARG_MODULES})
    target_link_libraries(${target} PUBLIC flexinfer_${module})
  endforeach()
  target_link_libraries(${target} PUBLIC fmt::fmt tl::expected ${ARG_LIBRARIES})
endfunction()

# flexinfer_test(NAME SOURCES a_test.cpp ... [MODULES ...] [LABELS slow ...]): one test binary, mirroring one folder.
function(flexinfer_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;MODULES;LABELS;LIBRARIES" ${ARGN})
  set(target flexinfer_test_${name})
  add_executable(${target} ${ARG_SOURCES})
  flexinfer_compile_options(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  foreach(module ${ARG_MODULES})
    target_link_libraries(${target} PRIVATE flexinfer_${module})
  endforeach()
  target_link_libraries(${target} PRIVATE flexinfer_test_support GTest::gtest_main ${ARG_LIBRARIES})
  add_test(NAME ${name} COMMAND ${target})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS "${ARG_LABELS}")
endfunction()
