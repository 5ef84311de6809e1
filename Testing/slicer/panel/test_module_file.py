"""The module as Slicer sees it, and the panel's form."""

import re
from xml.etree import ElementTree

import pytest

from Testing.helpers import ROOT
from Testing.slicer.panel.conftest import MODULE, coarse_slab

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

FORM = ElementTree.parse(ROOT / "LungCancerDx" / "Resources" / "UI" / "LungCancerDx.ui")
CONTAINERS = ("QWidget", "qMRMLWidget", "ctkCollapsibleButton")


def form_widgets():
    """Class, name and properties (the text of their value) of each widget of the form."""
    for widget in FORM.iter("widget"):
        properties = {each.get("name"): "".join(each.itertext()).strip() for each in widget.findall("property")}
        yield widget.get("class"), widget.get("name"), properties


def test_the_module_file_is_a_shell():
    assert len(MODULE.read_text(encoding="utf-8").splitlines()) < 300


@pytest.mark.slow
@pytest.mark.parametrize("main_window", [True, False])
def test_the_modules_own_test_passes(start_app, main_window):
    app = start_app(main_window=main_window, testing=not main_window)
    app.load_module(MODULE, enter=main_window)
    slicer.selfTests["LungCancerDx"]()
    assert app.displayed[-1].text == "Test passed"
    assert app.errors == []


@pytest.mark.parametrize("version", [(5, 10), (5, 12)])
def test_the_sample_is_offered(start_app, version):
    app = start_app(version=version)
    app.load_module(MODULE)
    (source,) = app.sample_data.sources["LungCancerDx"]
    assert source.thumbnailFileName.endswith(".png")
    assert (ROOT / source.thumbnailFileName).is_file()


def test_a_slicer_that_refuses_the_sample_starts_without_it_and_without_a_traceback(start_app, monkeypatch, caplog):
    app = start_app()
    monkeypatch.setattr(app.sample_data, "registerCustomSampleDataSource", None)
    app.load_module(MODULE)
    (record,) = [record for record in caplog.records if "Sample Data" in record.message]
    assert record.levelname == "WARNING"
    assert record.exc_info is None


def test_the_sample_makes_a_ct_that_is_shown_and_chosen_when_the_user_comes_to_the_module(app, widget, monkeypatch):
    from LungCancerDxLib.phantom import patient

    monkeypatch.setattr(patient, "synthetic_chest", lambda rng: coarse_slab())
    app.select_module(None)
    node = app.sample_data.load("SyntheticChestCT")
    app.select_module("LungCancerDx")
    assert node.GetName() == "SyntheticChestCT"
    assert node.GetImageData() is not None
    assert widget.ui.inputVolumeSelector.currentNode() is node
    assert widget.ui.detectButton.enabled
    composites = [app.scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode") for n in range(3)]
    assert [composite.GetBackgroundVolumeID() for composite in composites] == [node.GetID()] * 3


def test_every_button_and_box_says_what_it_does(app, widget):
    for kind, name, properties in form_widgets():
        if kind in ("QPushButton", "QCheckBox"):
            assert properties.get("text"), name
        if kind not in (*CONTAINERS, "QLabel", "QProgressBar"):
            assert properties.get("toolTip") or getattr(widget.ui, name).toolTip, name


def test_every_widget_of_the_form_is_used():
    code = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "LungCancerDxLib" / "slicer" / "panel").glob("*.py")
    )
    for kind, name, properties in form_widgets():
        static = kind in CONTAINERS or (kind == "QLabel" and properties.get("text"))
        if not static and "SlicerParameterName" not in properties:
            assert re.search(rf"[uU]i\.{name}\b|\"{name}\"", code), name


def test_every_widget_that_the_code_names_is_in_the_form():
    names = {name for _, name, _ in form_widgets()}
    for path in (ROOT / "LungCancerDxLib" / "slicer" / "panel").glob("*.py"):
        used = set(re.findall(r"\b_?ui\.(\w+)", path.read_text(encoding="utf-8")))
        assert used <= names, path


def test_every_parameter_has_a_widget_but_the_model_which_is_chosen_from_a_list(app, widget):
    bound = {
        properties["SlicerParameterName"] for _, _, properties in form_widgets() if "SlicerParameterName" in properties
    }
    assert bound == set(widget._parameterNode.allParameters) - {"model"}
