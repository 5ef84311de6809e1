"""The sample module and a volume for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
import slicer.util

SAMPLE = Path(__file__).parent / "sample" / "Sample" / "Sample.py"


def add_volume(name: str = "CT", value: int = 7) -> slicer.vtkMRMLScalarVolumeNode:
    return slicer.util.addVolumeFromArray(np.full((4, 5, 6), value, np.int16), name=name)
