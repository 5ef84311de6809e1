"""Synthetic chest CTs whose lungs and nodules are known exactly."""

from LungCancerDxLib.phantom.nodules import SyntheticNodule
from LungCancerDxLib.phantom.patient import SyntheticPatient, synthetic_chest

__all__ = ["SyntheticNodule", "SyntheticPatient", "synthetic_chest"]
