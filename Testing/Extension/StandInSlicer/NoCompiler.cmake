# A toolchain that skips looking for compilers: Slicer needs the default languages of project(), these tests do not.
set(CMAKE_MAKE_PROGRAM ${CMAKE_COMMAND})
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER ${CMAKE_COMMAND})
  set(CMAKE_${language}_COMPILER_ID_RUN TRUE)
  set(CMAKE_${language}_COMPILER_FORCED TRUE)
endforeach()
