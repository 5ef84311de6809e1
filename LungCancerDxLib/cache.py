"""Preprocessed scans and their proposals kept on disk, so that a second request about a scan takes seconds."""

from __future__ import annotations

import hashlib
import os
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from . import __version__
from .detection.detector import Detected
from .detection.proposals import Proposals
from .errors import OutputError
from .models.bundle import Model
from .preprocessing import CTLungs, Preprocessed, WorkingScan
from .preset import Preset
from .runtime.atomic import cleanup_on_exit
from .runtime.device import Compute
from .volume import CTVolume


class ScanCache:
    """One scan's entries in a cache folder; without a folder nothing is kept.

    Entries are named by the scan's content, the preset's constants and the software's version, proposals also by the
    model and the way it ran; a damaged entry is made anew.
    """

    def __init__(self, folder: Path | None, volume: CTVolume, preset: Preset) -> None:
        self._stem: Path | None = None
        if folder is None:
            return
        digest = hashlib.sha256(np.ascontiguousarray(volume.voxels).data)
        digest.update(np.ascontiguousarray(volume.kji_to_lps).tobytes())
        digest.update(repr((__version__, volume.shape_kji, sorted(asdict(preset).items()))).encode())
        self._stem = Path(folder) / digest.hexdigest()[:32]

    def preprocessed(self, compute: Callable[[], Preprocessed]) -> Preprocessed:
        """The kept preprocessing, or a new one, which is then kept."""
        if self._stem is None:
            return compute()
        path = self._stem.with_suffix(".scan.npz")
        kept = _read(path)
        try:
            if kept is not None:
                warnings = tuple(str(message) for message in kept.pop("warnings"))
                lungs = CTLungs(kept.pop("lung_labels"), kept.pop("ct_kji_to_lps"))
                return Preprocessed(WorkingScan(**kept), lungs, warnings)
        except (TypeError, KeyError):
            pass
        scan = compute()
        of_ct = {"lung_labels": scan.lungs.labels, "ct_kji_to_lps": scan.lungs.kji_to_lps}
        _write(path, {**vars(scan.working), **of_ct, "warnings": np.array(scan.warnings, dtype=str)})
        return scan

    def proposals(self, model: Model, compute: Compute, detect: Callable[[], Detected]) -> Detected:
        """The kept proposals of the detector, or new ones and warnings; kept are those that came without any."""
        if self._stem is None or not model.sha256:
            return detect()
        path = self._stem.with_suffix(f".{model.sha256[:16]}.{compute.device.type}.{compute.precision}.npz")
        kept = _read(path)
        try:
            if kept is not None:
                return Detected(Proposals(**kept), (), compute)
        except TypeError:
            pass
        detected = detect()
        if not detected.warnings:
            _write(path, vars(detected.proposals))
        return detected


def _read(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile):  # all that a damaged zip file may raise
        return None


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with cleanup_on_exit(path.with_suffix(f".{uuid.uuid4().hex[:8]}.part")) as staging:
            with staging.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            os.replace(staging, path)
    except OSError as error:
        raise OutputError(f"The cache {path.parent} cannot be written ({error.strerror}); choose another.") from error
