"""DICOM objects of a case in the scene: made of the series that the CT was loaded from, by packages beside Slicer."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from LungCancerDxLib.io.dicom.writer import write_dicom_series
from LungCancerDxLib.slicer.panel.command import dicom_arguments, environment_variables
from Testing.slicer.panel.conftest import add_ct, choose, coarse_slab, run, wait

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """The files of a series by their instance UIDs, among files of something else."""
    import pydicom

    folder = tmp_path_factory.mktemp("database")
    write_dicom_series(coarse_slab().volume, folder, "Doe^Jane", sex="F", age_years=66)
    (folder / "other.dcm").write_bytes(b"something else")
    slices = sorted(folder.glob("0*.dcm"))
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in slices}


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """The folder of the packages, as if they were there."""
    from LungCancerDxLib.slicer.panel import dependencies

    monkeypatch.setattr("platformdirs.user_data_path", lambda *_names, **_options: tmp_path / "user data")
    monkeypatch.setattr(dependencies, "_is_met", lambda requirement, path=None: True)
    return dependencies.dicom_packages()


@pytest.fixture
def scored(app, quick, series, monkeypatch):
    """The widget, a run done on a CT that was loaded from DICOM."""
    database = SimpleNamespace(fileForInstance=lambda uid: str(series.get(uid, "")))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    ct = add_ct(app, coarse_slab().volume)
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(series))
    choose(app, quick, ct)
    run(app, quick)
    quick.ui.dicomCheckBox.checked = True
    return quick


def export(app, widget, folder):
    widget.ui.exportPathLineEdit.currentPath = str(folder)
    widget.ui.exportButton.click()
    app.process_events()
    wait(app, widget)


def errors_of(arguments):
    """What a run says on standard error before it ends; it ends early where its standard input is closed."""
    environment = {**os.environ, **environment_variables()}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as run:
        errors = run.stderr.read().decode()
    return "" if run.returncode == 0 else errors.strip()


@pytest.mark.slow
def test_the_objects_refer_to_the_series_in_slicers_database(app, scored, runs, packages, series, tmp_path):
    pydicom, _ = pytest.importorskip("pydicom"), pytest.importorskip("highdicom")
    folder = tmp_path / "export"
    export(app, scored, folder)
    assert app.displayed == []
    asked = runs.asked[-1]
    assert asked[asked.index("report") - 1] == str(packages)
    handed_over = Path(asked[asked.index("--ct") + 1])
    assert sorted(p.read_bytes() for p in handed_over.iterdir()) == sorted(p.read_bytes() for p in series.values())
    assert errors_of(asked) == ""
    assert (folder / "report.pdf").exists()
    segmentation = pydicom.dcmread(folder / "segmentation.dcm")
    referred = {str(each.ReferencedSOPInstanceUID) for each in segmentation.ReferencedSeriesSequence[0][(8, 0x114A)]}
    assert referred == set(series)
    assert pydicom.dcmread(folder / "measurements.dcm").StudyInstanceUID == segmentation.StudyInstanceUID


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(("uids", "complaint"), [("", "was not loaded from DICOM"), ("1.2.3", "is not whole")])
def test_a_ct_without_its_series_is_told_and_nothing_is_run(app, scored, runs, tmp_path, uids, complaint):
    runs_before = len(runs.asked)
    slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode").SetAttribute("DICOM.instanceUIDs", uids)
    export(app, scored, tmp_path / "export")
    (message,) = app.displayed
    assert complaint in message.text
    assert len(runs.asked) == runs_before
    assert (tmp_path / "export" / "case.json").exists()


@pytest.mark.parametrize("agrees", [True, False])
def test_packages_are_installed_beside_slicer_with_the_users_consent(app, scored, runs, tmp_path, monkeypatch, agrees):
    from LungCancerDxLib.slicer.panel.dependencies import dicom_packages

    installed: list[list[str]] = []

    def install(arguments):
        """As pip: files in the folder, which describe what they are."""
        installed.append(arguments)
        for name, version in (("highdicom", "0.28"), ("pydicom", "3.0.2"), ("pyjpegls", "1.5")):
            about = Path(arguments[1]) / f"{name}-{version}.dist-info" / "METADATA"
            about.parent.mkdir()
            about.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    monkeypatch.setattr("platformdirs.user_data_path", lambda *_names, **_options: tmp_path / "user data")
    monkeypatch.setattr(slicer.util, "pip_install", install)
    app.answers["confirmOkCancel"] = agrees
    runs_before = len(runs.asked)
    export(app, scored, tmp_path / "export")
    if not agrees:
        assert "there are no DICOM objects" in app.displayed[-1].text
        assert (len(runs.asked), installed, dicom_packages().exists()) == (runs_before, [], False)
        return
    ((target, _, *options),) = installed
    assert target == "--target"
    assert options == [
        "--no-deps",
        "--only-binary",
        ":all:",
        "highdicom>=0.24",
        "pydicom>=3.0.1",
        "pyjpegls>=1.0",
    ]
    assert len(list(dicom_packages().iterdir())) == 3
    export(app, scored, tmp_path / "second export")
    assert len(installed) == 1
    assert len(runs.asked) == runs_before + 2


def test_the_run_takes_these_packages_before_all_others(tmp_path):
    (tmp_path / "packages" / "argparse").mkdir(parents=True)
    (tmp_path / "packages" / "argparse" / "__init__.py").write_text("raise SystemExit('mine')")
    arguments = dicom_arguments(tmp_path, tmp_path, tmp_path / "packages")
    assert errors_of(arguments) == "mine"
