"""How much memory this process takes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

_RESIDENT = Path("/proc/self/statm")
_EVERY_S = 0.02


def resident_gb() -> float | None:
    """Memory of this process that is in the machine's, 1e9 bytes; None where the system does not tell."""
    if not _RESIDENT.exists():
        return None
    return int(_RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e9


class PeakMemory:
    """While the block runs, looks at the resident memory of this process; `gb` is None where the system tells none."""

    def __init__(self) -> None:
        self.gb: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        if resident_gb() is not None:
            self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while True:
            self.gb = max(self.gb or 0.0, resident_gb() or 0.0)
            if self._stop.wait(_EVERY_S):
                return
