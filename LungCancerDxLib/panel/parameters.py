"""What the user chooses in the panel, kept in the scene."""

# No postponed annotations here: Slicer's wrapper reads the types themselves.
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@parameterNodeWrapper
class Parameters:
    """The panel's parameters.

    Parameters
    ----------
    model
        Name or folder of a model; empty for the default one.
    maxMemoryGb
        For the detector's largest maps; 0 leaves it to the library.
    replaceEarlier
        Whether a new run takes the place of earlier results of the same CT.
    confidence
        Runners-up of at least this confidence of detection are listed.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    model: str = ""
    device: Annotated[str, Choice(list(DEVICES))] = "auto"
    precision: Annotated[str, Choice(list(PRECISIONS))] = "auto"
    maxMemoryGb: Annotated[float, WithinRange(0.0, 1024.0)] = 0.0
    replaceEarlier: bool = True
    confidence: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    showLungs: bool = True
    showNodules: bool = True
    showLabels: bool = True
