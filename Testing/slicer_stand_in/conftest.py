"""The harness's own tests use its fixture; `sample/` holds a module under test, not tests."""

from Testing.slicer_stand_in.fixtures import slicer_app

__all__ = ["slicer_app"]

collect_ignore = ["sample"]
