"""The harness's own tests use its fixture; `sample/` holds a module under test, not tests."""

from Testing.SlicerHarness.fixtures import slicer_app

__all__ = ["slicer_app"]

collect_ignore = ["sample"]
