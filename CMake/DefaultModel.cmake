# The model that ships with the extension. It lands in Resources/Models beside the library, where
# LungCancerDxLib/models/folders.py looks.
set(LungCancerDxLib_RESOURCES
  Resources/Models/Default/README.md
  Resources/Models/Default/model.json
  Resources/Models/Default/weights.safetensors
  )
