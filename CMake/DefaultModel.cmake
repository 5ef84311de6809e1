# The model that ships with the extension, where the source tree has one: a bundle of two files.
# It lands in Resources/Models beside the library, where LungCancerDxLib/models/locate.py looks.
set(LungCancerDxLib_RESOURCES)
if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/Resources/Models/Default)
  set(LungCancerDxLib_RESOURCES
    Resources/Models/Default/model.json
    Resources/Models/Default/weights.safetensors
    )
endif()
