"""What SimpleITK says when it cannot read a file, in one short line."""

from __future__ import annotations

import re


def reason(error: RuntimeError) -> str:
    """The last words of a SimpleITK error, without source lines and memory addresses."""
    words = re.sub(r"\s+", " ", re.split(r"(?i)itk(?:::)? ?error:", str(error))[-1])
    return re.sub(r"\(0x[0-9a-f]+\)|\S*/ITK/\S*|\S+\.cxx:\d+:?", "", words).strip(" .")
