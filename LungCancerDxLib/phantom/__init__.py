"""Synthetic chest CTs whose lungs and nodules are known exactly."""

from .nodule import SyntheticNodule
from .patient import SyntheticPatient, synthetic_chest

__all__ = ["SyntheticNodule", "SyntheticPatient", "synthetic_chest"]
