"""The panel is tested in an application with real Qt off screen."""

from Testing.SlicerHarness.fixtures import slicer_app

__all__ = ["slicer_app"]
