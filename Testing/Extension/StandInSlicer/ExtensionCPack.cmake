# Slicer packs the extension here, with its description.
foreach(name HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if(NOT EXTENSION_${name})
    message(FATAL_ERROR "EXTENSION_${name} is not set")
  endif()
  standin_note(EXTENSION_${name} "${EXTENSION_${name}}")
endforeach()
standin_note(packed ${PROJECT_NAME})
