"""How much memory this process takes."""

from __future__ import annotations

import os
from pathlib import Path

_RESIDENT = Path("/proc/self/statm")


def resident_gb() -> float | None:
    """Memory of this process that is in the machine's, 1e9 bytes; None where the system does not tell."""
    if not _RESIDENT.exists():
        return None
    return int(_RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e9
