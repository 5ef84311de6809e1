# Slicer writes <Extension>Config.cmake here, for extensions that depend on this one.
standin_note(generated config)
