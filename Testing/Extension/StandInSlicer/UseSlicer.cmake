# The macros that an extension uses.
option(BUILD_TESTING "Add the tests." ON)

set(standin_record ${CMAKE_BINARY_DIR}/record.txt)
file(WRITE ${standin_record} "")

# Write down one fact: a kind and a value.
function(standin_note kind value)
  file(APPEND ${standin_record} "${kind} ${value}\n")
endfunction()

# Refuse what the caller misspelt or left out; for a macro that parsed its arguments with the prefix MY.
macro(standin_check_arguments caller)
  if(MY_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${caller}: unknown arguments: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  if(MY_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "${caller}: no value for: ${MY_KEYWORDS_MISSING_VALUES}")
  endif()
  foreach(name ${ARGN})
    if(NOT MY_${name})
      message(FATAL_ERROR "${caller}: ${name} is mandatory")
    endif()
  endforeach()
endmacro()

# Copy each file below the source folder to the same place below the destination.
function(standin_copy source destination)
  foreach(file ${ARGN})
    if(NOT EXISTS ${source}/${file} OR IS_DIRECTORY ${source}/${file})
      message(FATAL_ERROR "no such file: ${file}")
    endif()
    configure_file(${source}/${file} ${destination}/${file} COPYONLY)
  endforeach()
endfunction()

function(ctkMacroCompilePythonScript)
  cmake_parse_arguments(MY "NO_INSTALL_SUBDIR;GLOBAL_TARGET" "TARGET_NAME;SOURCE_DIR;DESTINATION_DIR;INSTALL_DIR"
    "SCRIPTS;RESOURCES" ${ARGN})
  # RESOURCES "" is an empty list, not a mistake.
  list(REMOVE_ITEM MY_KEYWORDS_MISSING_VALUES RESOURCES)
  standin_check_arguments(ctkMacroCompilePythonScript TARGET_NAME SCRIPTS DESTINATION_DIR INSTALL_DIR)
  if(NOT MY_SOURCE_DIR)
    set(MY_SOURCE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  add_custom_target(Copy${MY_TARGET_NAME}PythonFiles)
  standin_copy(${MY_SOURCE_DIR} ${MY_DESTINATION_DIR} ${MY_SCRIPTS} ${MY_RESOURCES})
  if(MY_NO_INSTALL_SUBDIR)
    string(APPEND MY_DESTINATION_DIR /)
  endif()
  install(DIRECTORY ${MY_DESTINATION_DIR} DESTINATION ${MY_INSTALL_DIR})
endfunction()

function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  standin_check_arguments(slicerMacroBuildScriptedModule NAME SCRIPTS)
  ctkMacroCompilePythonScript(
    TARGET_NAME ${MY_NAME}
    SCRIPTS ${MY_SCRIPTS}
    RESOURCES ${MY_RESOURCES}
    DESTINATION_DIR ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}
    INSTALL_DIR ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}
    NO_INSTALL_SUBDIR
    )
  standin_note(module ${MY_NAME})
  if(BUILD_TESTING AND MY_WITH_GENERIC_TESTS)
    standin_note(test py_nomainwindow_${MY_NAME}ModuleGenericTest)
  endif()
endfunction()

function(slicer_add_python_unittest)
  cmake_parse_arguments(MY "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  standin_check_arguments(slicer_add_python_unittest SCRIPT)
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${MY_SCRIPT})
    message(FATAL_ERROR "slicer_add_python_unittest: no such file: ${MY_SCRIPT}")
  endif()
  get_filename_component(name ${MY_SCRIPT} NAME_WE)
  standin_note(test py_${MY_TESTNAME_PREFIX}${name})
endfunction()
