"""Preprocessed scans and their proposals kept on disk, so that a second request about a scan takes seconds."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from .detection.detector import Detected
from .detection.proposals import Proposals
from .errors import OutputError
from .models.bundle import Model
from .preprocessing import CTLungs, Preprocessed, WorkingScan
from .preset import Preset
from .runtime.device import Compute
from .runtime.npz import Arrays, kept_npz, write_npz
from .volume import CTVolume

_ROOMS = ("preprocessing", "networks", "detection")
_SCAN_FIELDS = tuple(field.name for field in fields(WorkingScan))


class ScanCache:
    """One scan's entries in a cache folder; without a folder nothing is kept.

    Entries are named by the scan's content, the preset's constants and the code that makes them, proposals also by the
    model and the way it ran; a damaged entry is made anew. Where nothing can be written the work goes on without;
    `warnings` then say so.
    """

    def __init__(self, folder: Path | None, volume: CTVolume, preset: Preset) -> None:
        self._stem: Path | None = None
        self.warnings: tuple[str, ...] = ()
        if folder is None:
            return
        decided_by = (volume.digest(), _code_digest(), sorted(asdict(preset).items()))
        self._stem = Path(folder) / hashlib.sha256(repr(decided_by).encode()).hexdigest()[:32]

    def preprocessed(self, compute: Callable[[], Preprocessed]) -> Preprocessed:
        """The kept preprocessing, or a new one, which is then kept."""
        if self._stem is None:
            return compute()
        path = self._stem.with_suffix(".scan.npz")
        kept = _used(path, (*_SCAN_FIELDS, "lung_labels", "ct_kji_to_lps", "warnings"))
        if kept is not None:
            scan = WorkingScan(**{name: kept[name] for name in _SCAN_FIELDS})
            lungs = CTLungs(kept["lung_labels"], kept["ct_kji_to_lps"])
            return Preprocessed(scan, lungs, tuple(map(str, kept["warnings"])))
        new = compute()
        of_ct = {"lung_labels": new.lungs.labels, "ct_kji_to_lps": new.lungs.kji_to_lps}
        self._keep(path, {**vars(new.working), **of_ct, "warnings": np.array(new.warnings, str)})
        return new

    def proposals(self, model: Model, compute: Compute, detect: Callable[[], Detected]) -> Detected:
        """The kept proposals of the detector, or new ones and warnings; kept are those that came without any."""
        if self._stem is None or not model.sha256:
            return detect()
        path = self._stem.with_suffix(f".{model.sha256[:16]}.{compute.device.type}.{compute.precision}.npz")
        kept = _used(path, [field.name for field in fields(Proposals)])
        if kept is not None:
            return Detected(Proposals(**kept), (), compute)
        detected = detect()
        if not detected.warnings:
            self._keep(path, vars(detected.proposals))
        return detected

    def _keep(self, path: Path, arrays: Arrays) -> None:
        try:
            write_npz(path, arrays, compressed=False)
        except OutputError as error:
            self.warnings = (f"Nothing was kept for a second request, which will take as long: {error}",)


@functools.cache
def _code_digest() -> str:
    """Of what decides an entry: a clone changes it from one pull to the next, whatever the version says."""
    files = (path for room in _ROOMS for path in sorted((Path(__file__).parent / room).rglob("*.py")))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _used(path: Path, names: Iterable[str]) -> Arrays | None:
    """An entry, whose time is then that of its use: who trims the cache removes what was used longest ago."""
    arrays = kept_npz(path, names)
    if arrays is not None:
        with suppress(OSError):
            path.touch()
    return arrays
