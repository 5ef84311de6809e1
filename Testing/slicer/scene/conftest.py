"""A scene of its own for each test; all are skipped where slicer-core is not installed."""

import pytest


@pytest.fixture
def scene():
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    from LungCancerDxLib.slicer.scene.files import own_scene

    with own_scene() as empty:
        yield empty
