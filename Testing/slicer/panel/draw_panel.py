"""Pictures of the panel in each of its states, and of the views, as they stand in the tutorial.

    python -m Testing.slicer.panel.draw_panel docs

draws them for the synthetic patient of Sample Data with the default model, in a real background run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from Testing.slicer.panel.conftest import MODULE, cases, choose, result_of, tick

STATES = ("ready", "running", "result", "patient", "overruled", "error")


def draw_panel(app, widget, ct_node, folder: Path, wait: Callable[[Callable[[], bool]], None]) -> None:
    """Click through the module and draw each state into a folder: `panel-<state>.png`.

    Parameters
    ----------
    widget
        The module's widget, entered.
    ct_node
        A CT in the application's scene.
    wait
        Runs the application until a condition holds.
    """
    ui = widget.ui

    def draw(state: str) -> None:
        app.process_events()
        app.grab(folder / f"panel-{state}.png")

    choose(app, widget, ct_node)
    draw("ready")
    ui.detectButton.click()
    wait(lambda: ui.progressBar.value > 250 or not ui.cancelButton.enabled)
    draw("running")
    wait(lambda: not ui.cancelButton.enabled)
    draw("result")
    _tell_patient(app, ui)
    draw("patient")
    ui.patientCollapsibleButton.collapsed = True
    tick(app, widget, result_of(cases(app)[-1]).nodules[0].rank, False)
    draw("overruled")
    app.torch.torch_installed = False
    app.answers["confirmOkCancel"] = False
    ui.detectButton.click()
    draw("error")


def _tell_patient(app, ui) -> None:
    """Open the section and tell what a user may know."""
    ui.patientCollapsibleButton.collapsed = False
    ui.ageSpinBox.value = 66
    for name, label in (("sexComboBox", "female"), ("settingComboBox", "screening"), ("smokerComboBox", "yes")):
        box = getattr(ui, name)
        box.setCurrentIndex(box.findText(label))
        box.activated.emit(box.currentIndex)
        app.process_events()


def draw_sample(folder: Path) -> None:
    """The synthetic patient of Sample Data: the panel's states, and the views as `tutorial-views.png`."""
    from Testing.slicer_stand_in.application import SlicerApplication

    with SlicerApplication(main_window=True) as app:
        widget = app.load_module(MODULE)
        from LungCancerDxLib.slicer.scene.files import render_views

        draw_panel(
            app,
            widget,
            app.sample_data.load("SyntheticChestCT"),
            folder,
            lambda condition: app.wait_until(condition, 600),
        )
        warning = render_views(app.scene, cases(app)[-1], folder / "tutorial-views.png")
        print(warning or f"drawn into {folder}")


if __name__ == "__main__":
    from Testing.slicer.panel import draw_panel as under_its_name  # whose Qt properties are attributes

    under_its_name.draw_sample(Path(sys.argv[1]))
