"""A synthetic patient for Sample Data, made on the user's machine, so that a newcomer can try everything at once."""

from __future__ import annotations

import numpy as np
import slicer

from ..phantom import SyntheticPatient, synthetic_chest
from ..scene import volume_node
from .navigation import fit_views, show_ct

SAMPLE_NAME = "SyntheticChestCT"
_SEED = 1


def synthetic_patient() -> SyntheticPatient:
    """The patient of the sample, the same on every machine."""
    return synthetic_chest(np.random.default_rng(_SEED))


def add_synthetic_patient() -> slicer.vtkMRMLScalarVolumeNode:
    """Make the patient, add the CT to the scene and show it; takes some seconds."""
    scene = slicer.mrmlScene
    ct_node = volume_node(scene, synthetic_patient().volume, scene.GenerateUniqueName(SAMPLE_NAME))
    show_ct(ct_node)
    fit_views()
    return ct_node
