"""The memory that a stage takes at its peak."""

from __future__ import annotations

import threading

from ..memory import resident_gb

_EVERY_S = 0.02


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
