"""Files that are replaced as a whole."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError
from ..staging import in_work


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when the block ends well and vanishes when it does not.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with in_work(path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")) as staging:
            yield staging
            with staging.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(staging, path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error}); what was there before is untouched. Make room "
            "on the disk or choose another folder."
        ) from error
