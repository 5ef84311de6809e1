"""Synthetic chest CTs whose lungs and nodules are known exactly."""

from __future__ import annotations

from .nodules.nodule import SyntheticNodule
from .patient import SyntheticPatient, synthetic_chest

__all__ = ["SyntheticNodule", "SyntheticPatient", "synthetic_chest"]
