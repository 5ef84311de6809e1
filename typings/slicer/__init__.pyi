# The application's own package. MRML's classes have no types: `slicer.vtkMRMLScene` is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
