"""What is in sight of a result, and what opens on demand."""

from dataclasses import replace

import pytest

from LungCancerDxLib.names import RESEARCH_USE_ONLY
from Testing.slicer.panel.conftest import add_ct, cases, choose, coarse_slab, result_of, run, visible_columns

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

IN_SIGHT_PIXELS = 600
"""Of the panel, in Slicer in a window of 1000 pixels: the rest is its toolbars, its help and its data probe."""
WARNINGS = (
    "The lungs are cut off at the top of the scan; nodules beyond it cannot be found and the score is not reliable.",
    "No segmenter is at hand: nodules are not outlined, and their diameters are the detector's boxes.",
)


@pytest.fixture
def scored(app, quick, ct, runs):
    """The widget, a run done that gave two warnings."""
    runs.change = lambda result: replace(result, warnings=WARNINGS)
    choose(app, quick, ct)
    run(app, quick)
    return quick


def test_score_warning_and_table_are_in_sight_in_a_window_of_1000_pixels(app, scored):
    app.select_module("LungCancerDx")
    frame = scored.parent
    for name in ("scoreLabel", "scoreNameLabel", "warningsLabel", "noduleTable", "nextButton", "researchLabel"):
        widget = getattr(scored.ui, name)
        assert widget.visible
        assert widget.mapTo(frame, widget.rect.bottomLeft()).y() <= IN_SIGHT_PIXELS, name
    assert scored.ui.scoreLabel.geometry.center().y() == scored.ui.scoreNameLabel.geometry.center().y()
    assert scored.ui.researchLabel.text == RESEARCH_USE_ONLY


def test_the_table_says_what_one_browses_with_and_the_rest_on_demand(app, scored):
    few = ["Counts", "Malignancy", "Diameter", "Type", "Position"]
    assert visible_columns(scored) == few
    scored.ui.allColumnsCheckBox.checked = True
    assert visible_columns(scored) == [*few, "Share", "Volume", "Confidence"]
    scored.ui.allColumnsCheckBox.checked = False
    assert visible_columns(scored) == few


def test_a_diameter_that_was_not_measured_is_marked_in_the_table(app, scored):
    nodules = result_of(cases(app)[0]).nodules
    row = next(row for row in range(5) if nodules[row].volume_mm3 is None)
    item = scored.ui.noduleTable.item(row, 2)
    assert item.text() == f"≈ {nodules[row].diameter_mm:.1f} mm"
    assert "Not outlined" in item.toolTip()


def test_warnings_are_one_line_and_open_in_full(app, scored):
    short = scored.ui.warningsLabel.text
    assert short.startswith("⚠ 2 warnings: The lungs are cut off")
    assert len(short) < 80
    scored.ui.warningsButton.checked = True
    assert scored.ui.warningsLabel.text.splitlines() == [f"⚠ {warning}" for warning in WARNINGS]
    scored.ui.warningsButton.checked = False
    assert scored.ui.warningsLabel.text == short


@pytest.mark.parametrize("warnings", [(), ("Short.",)])
def test_where_there_is_no_more_to_say_there_is_no_button_for_it(app, quick, ct, runs, warnings):
    runs.change = lambda result: replace(result, warnings=warnings)
    choose(app, quick, ct)
    run(app, quick)
    assert quick.ui.warningsRow.visible == bool(warnings)
    assert not quick.ui.warningsButton.visible


def test_the_model_is_described_behind_an_i(app, scored):
    description = result_of(cases(app)[0]).model_description
    assert scored.ui.infoButton.toolTip == description
    scored.ui.infoButton.click()
    assert app.displayed == [("info", description)]


def test_a_grey_button_says_why_in_sight(app, quick):
    assert not quick.ui.detectButton.enabled
    assert quick.ui.statusLabel.text == quick.ui.detectButton.toolTip == "Choose a CT first."
    assert quick.ui.statusLabel.visible


def test_a_ct_that_is_loaded_while_the_module_is_open_is_chosen(app, quick):
    first = add_ct(app, coarse_slab().volume)
    app.process_events()
    assert quick.ui.inputVolumeSelector.currentNode() is first
    assert quick.ui.detectButton.enabled
    assert quick.ui.statusLabel.text == ""
    add_ct(app, coarse_slab().volume, "Another CT")
    app.process_events()
    assert quick.ui.inputVolumeSelector.currentNode() is first


def test_of_several_cts_loaded_at_once_the_one_that_is_shown_is_chosen(app, quick):
    from LungCancerDxLib.slicer.panel.navigation import show_ct

    add_ct(app, coarse_slab().volume)
    second = add_ct(app, coarse_slab().volume, "Another CT")
    show_ct(second)
    app.process_events()
    assert quick.ui.inputVolumeSelector.currentNode() is second
