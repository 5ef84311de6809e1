"""The panel is tested in an application with real Qt off screen, in which runs are started and ended."""

import pytest

from Testing.slicer.background.background_run import Run
from Testing.slicer_stand_in.fixtures import slicer_app

__all__ = ["slicer_app"]


@pytest.fixture
def start(slicer_app):
    """A function that starts a script, given as code and its arguments."""
    runs = []

    def start(*arguments):
        runs.append(Run(slicer_app, *arguments))
        return runs[-1]

    yield start
    for run in runs:
        if run.run is not None:
            run.run.close()
