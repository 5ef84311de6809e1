"""How much memory this process takes and may take."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from ..errors import OutOfMemoryError

_RESIDENT = Path("/proc/self/statm")
_EVERY_S = 0.02
_LEAST_ADDRESS_SPACE_GB = 2.0  # below, libraries end the process without a word as they are loaded
_LACKING = (
    "can't start new thread",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "not enough memory",
    "out of memory",
)


def check_address_space() -> None:
    """Refuse to begin in a process that may not even load what the work needs (`ulimit -v`).

    Raises
    ------
    OutOfMemoryError
    """
    allowed = _address_space_gb()
    if allowed is not None and allowed < _LEAST_ADDRESS_SPACE_GB:
        raise OutOfMemoryError(
            f"This process may take {allowed:.1f} GB of address space (`ulimit -v`), too little even for the "
            f"libraries. Allow {_LEAST_ADDRESS_SPACE_GB:g} GB and what the work itself needs, or take the limit away."
        )


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says, or may be taken to mean, that memory or threads were refused.

    Where the address space is limited, libraries that could not get it fail with errors of any kind.
    """
    if isinstance(error, MemoryError) or any(phrase in str(error).lower() for phrase in _LACKING):
        return True
    return _address_space_gb() is not None


def _address_space_gb() -> float | None:
    """The limit of this process's address space, 1e9 bytes; None where there is none."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit / 1e9


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
            with suppress(RuntimeError):  # no more threads are allowed
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
