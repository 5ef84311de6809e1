"""The panel is drawn in each of its states."""

import pytest

from Testing.slicer.panel.draw_panel import STATES, draw_panel


@pytest.mark.slow
def test_each_state_is_drawn_and_looks_different(app, quick, ct, tmp_path, runs):
    from PySide6.QtGui import QImage

    from LungCancerDxLib.slicer.panel.command import Report

    runs.holding = True

    def wait(condition):
        app.wait_until(lambda: runs.runs)
        runs.runs[-1].on_progress(Report("detecting nodules", 0.4, 12.0))
        if not condition():
            runs.runs[-1].deliver()
            app.wait_until(condition, 20)

    draw_panel(app, quick, ct, tmp_path, wait)
    pictures = [QImage(str(tmp_path / f"panel-{state}.png")) for state in STATES]
    sizes = [(picture.width(), picture.height()) for picture in pictures]
    assert all(width == 480 and height > 400 for width, height in sizes)
    assert len({bytes(picture.constBits()) for picture in pictures}) == len(STATES)
