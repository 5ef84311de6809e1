"""The work on a case of a cohort: read and score, with a model that stays loaded."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from pathlib import Path

from ..case import CaseResult
from ..compute import choose_compute
from ..errors import UsageError
from ..models.bundle import Model
from ..models.locate import find_model
from ..pipeline import detect_and_score
from ..readers import read_ct
from ..volume import CTVolume
from .run_case import Settings


def score_ct(path: Path, settings: Settings) -> tuple[CaseResult, CTVolume]:
    """Read and score a CT as the settings say.

    Raises
    ------
    CTReadError, NoLungsError, OutOfMemoryError, ModelError
    UsageError
        Where the model of that name has other weights here than where the run was started.
    """
    model = _model(settings.model)
    if model.sha256 != settings.sha256:
        raise UsageError(
            f"The model '{model.name}' has other weights here (sha256 {model.sha256[:16]}...) than where the run was "
            f"started ({settings.sha256[:16]}...). Install the same model everywhere, or give its folder."
        )
    start = time.perf_counter()
    volume = read_ct(path)
    reading_s = time.perf_counter() - start
    result = detect_and_score(volume, model, choose_compute(settings.device, settings.precision, settings.max_memory))
    timing = {"reading": reading_s, **result.timing_s, "total": time.perf_counter() - start}
    return replace(result, timing_s=timing), volume


@functools.lru_cache(maxsize=1)
def _model(name: str | None) -> Model:
    return find_model(name)
