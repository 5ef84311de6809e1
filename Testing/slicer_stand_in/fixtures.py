"""The fixture `slicer_app`; a folder's conftest.py imports it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def slicer_app() -> Iterator:
    """An application without a main window (see `application.SlicerApplication`).

    The test is skipped where slicer-core or PySide6 is not installed, or Qt lacks a library of the system.
    """
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
    from Testing.slicer_stand_in.application import SlicerApplication

    with SlicerApplication() as app:
        yield app
