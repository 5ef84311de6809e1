"""The module in the stand-in application, with small CTs and runs that take seconds or, as stand-ins, no time."""

from dataclasses import replace

import numpy as np
import pytest

from Testing.helpers import ROOT, chest, tiny_model

_OUTLINED = 6
MODULE = ROOT / "LungCancerDx" / "LungCancerDx.py"
TINY = (
    "import sys; from LungCancerDxLib import pipeline; from LungCancerDxLib.cli import main; "
    "from Testing.helpers import tiny_model; pipeline.find_model = lambda name: tiny_model(); "
)
NO_OUTLINES = (
    "import numpy as np; from LungCancerDxLib import pipeline; "
    "from LungCancerDxLib.segmentation.nodules import SegmentedNodules; "
    "pipeline.segment_nodules = lambda volume, lungs, nodules, *_: "
    "SegmentedNodules(np.zeros(volume.shape_kji, np.uint8), tuple(nodules), lungs); "
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """The folder of the cache, which is not the user's own."""
    folder = tmp_path_factory.mktemp("user cache")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_names, **_options: folder)
    return folder / "Scans"


@pytest.fixture
def start_app():
    """A function that starts an application with options of its own; it ends with the test."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
    from contextlib import ExitStack

    from Testing.slicer_stand_in.application import SlicerApplication

    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(SlicerApplication(**options))


@pytest.fixture
def app(start_app):
    """An application with a main window."""
    return start_app(main_window=True)


@pytest.fixture
def start(app):
    """A function that starts a script in the background, given as code and its arguments."""
    from Testing.slicer.panel.background_run import Run

    runs = []

    def start(*arguments):
        runs.append(Run(app, *arguments))
        return runs[-1]

    yield start
    for run in runs:
        if run.run is not None:
            run.run.close()


@pytest.fixture
def widget(app):
    """The module's widget, entered."""
    return app.load_module(MODULE)


@pytest.fixture
def ct(app):
    """A slab of a synthetic chest in the scene."""
    return add_ct(app, coarse_slab().volume)


@pytest.fixture
def tiny_runs(monkeypatch):
    """Background runs are real processes of the real command, with the tiny model and without outlines."""
    instead_of_the_command(monkeypatch, TINY + NO_OUTLINES + "sys.exit(main())")


@pytest.fixture
def tiny_runs_with_outlines(monkeypatch):
    """The same with the nodules outlined, which takes longer."""
    instead_of_the_command(monkeypatch, TINY + "sys.exit(main())")


@pytest.fixture(scope="session")
def whole_result(tmp_path_factory):
    """The folder of a result in which every nodule is classified; lungs and some outlines are mere boxes."""
    pytest.importorskip("torch")
    from LungCancerDxLib import pipeline
    from LungCancerDxLib.io.image_file import write_volume
    from LungCancerDxLib.io.result_folder import write_result
    from LungCancerDxLib.segmentation.nodules import SegmentedNodules

    def outlined(volume, lungs, nodules, *_):
        return SegmentedNodules(_boxes(volume, nodules), tuple(nodules), lungs)

    folder = tmp_path_factory.mktemp("result")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "segment_nodules", outlined)
        result = pipeline.detect_and_score(coarse_slab().volume, tiny_model(), classify_all=True)
    lungs = np.zeros_like(result.lung_labels)
    lungs[3:8, 30:45, 50:60], lungs[3:8, 30:45, 20:30] = 1, 2
    write_result(replace(result, lung_labels=lungs), coarse_slab().volume, folder)
    write_volume(coarse_slab().volume, folder / "ct.nrrd")
    return folder


@pytest.fixture
def runs(whole_result, monkeypatch):
    """Runs that answer at the next turn of the event loop; see `StandInRuns`."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    from Testing.slicer.panel.stand_in_runs import StandInRuns

    return StandInRuns(whole_result)


@pytest.fixture
def quick(widget, runs, monkeypatch):
    """The widget, with such runs."""
    return with_runs(monkeypatch, widget, runs)


def with_runs(monkeypatch, widget, runs):
    from LungCancerDxLib.slicer.panel import background

    monkeypatch.setattr(background, "BackgroundRun", runs)
    return widget


def coarse_slab():
    """A slab through both lungs with so few voxels that they are shown at once."""
    return chest(spacing_mm_kji=(3.0, 4.0, 4.0), z_range_mm=(-60.0, 0.0))


def instead_of_the_command(monkeypatch, code):
    """Have background runs run a program instead of the command, with the command's arguments."""
    from LungCancerDxLib.slicer.panel import command

    of_command = command._command

    def arguments(*rest):
        return ["-c", code, *of_command(*rest)[2:]]

    monkeypatch.setattr(command, "_command", arguments)


def add_ct(app, volume, name="Chest CT"):
    from LungCancerDxLib.slicer.scene.ct import volume_node

    return volume_node(app.scene, volume, name)


def choose(app, widget, node):
    widget.ui.inputVolumeSelector.setCurrentNode(node)
    app.process_events()


def run(app, widget, timeout_s=120):
    """Click Detect & Score and wait for the end."""
    widget.ui.detectButton.click()
    wait(app, widget, timeout_s)


def start_held(app, widget, runs):
    """Click Detect & Score and wait until the run's process has been asked; it is held until `deliver`."""
    runs.holding = True
    before = len(runs.runs)
    widget.ui.detectButton.click()
    app.wait_until(lambda: len(runs.runs) > before)


def wait(app, widget, timeout_s=120):
    app.wait_until(lambda: not widget.ui.cancelButton.enabled, timeout_s)
    app.process_events()


def cases(app):
    from LungCancerDxLib.slicer.scene.build import find_cases

    return find_cases(app.scene)


def result_of(case):
    from LungCancerDxLib.slicer.scene.text import case_result

    return case_result(case.case)


def node_ids(app):
    return {app.scene.GetNthNode(n).GetID() for n in range(app.scene.GetNumberOfNodes())}


def table_texts(widget):
    table = widget.ui.noduleTable
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def visible_columns(widget):
    table = widget.ui.noduleTable
    columns = [column for column in range(table.columnCount) if not table.isColumnHidden(column)]
    return [table.horizontalHeaderItem(column).text() for column in columns]


def rows(widget):
    """Rank by row."""
    table = widget.ui.noduleTable
    return [int(table.verticalHeaderItem(row).text()) for row in range(table.rowCount)]


def is_ticked(widget, rank):
    import qt

    return widget.ui.noduleTable.item(rows(widget).index(rank), 0).checkState() == qt.Qt.Checked


def tick(app, widget, rank, counts):
    import qt

    item = widget.ui.noduleTable.item(rows(widget).index(rank), 0)
    item.setCheckState(qt.Qt.Checked if counts else qt.Qt.Unchecked)
    app.process_events()


def selected_rank(widget):
    row = widget.ui.noduleTable.currentRow()
    return rows(widget)[row] if row >= 0 else None


def place_point(app, widget, world_ras_mm):
    """Click "Classify a point" and then on a spot in a view."""
    widget.ui.placePointButton.click()
    placed = app.slicer_app.applicationLogic().GetSelectionNode().GetActivePlaceNodeID()
    app.scene.GetNodeByID(placed).AddControlPointWorld(*world_ras_mm)
    app.process_events()
    return placed


def slice_centres_ras(app):
    """Where each slice view looks."""
    nodes = [app.scene.GetNthNodeByClass(n, "vtkMRMLSliceNode") for n in range(3)]
    return [np.array([node.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]) for node in nodes]


def _boxes(volume, nodules):
    from LungCancerDxLib.volume import world_to_index

    labels = np.zeros(volume.shape_kji, np.uint8)
    for nodule in nodules[:_OUTLINED]:
        k, j, i = np.rint(world_to_index(volume.kji_to_lps, np.array([nodule.center_lps_mm]))[0]).astype(int)
        labels[max(k - 1, 0) : k + 2, max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2] = nodule.rank
    return labels
