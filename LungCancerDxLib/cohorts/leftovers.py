"""What a killed process had in work: files and folders that never got their own names."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

_IN_WORK = re.compile(r"\..+\.[0-9a-f]{8}(\.old|\.stopped)?")


def remove_leftovers(folder: Path) -> None:
    """Remove what `staging` had in work in this folder when its process was killed; nobody else may write there now."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if _IN_WORK.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
