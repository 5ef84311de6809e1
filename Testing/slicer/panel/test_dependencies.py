"""What is missing is asked for at the first run, and nothing is loaded before."""

import ast
import subprocess
import sys
import textwrap

import pytest

from Testing.helpers import ROOT, environment
from Testing.slicer.panel.conftest import MODULE, add_ct, cases, choose, coarse_slab, node_ids, run, wait, with_runs

pytestmark = pytest.mark.slow

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

HEAVY = ("torch", "nibabel", "safetensors", "pooch", "platformdirs", "tqdm")


@pytest.fixture
def ready(start_app, runs, monkeypatch):
    """A function that starts an application, with the module and a chosen CT."""

    def start(**options):
        app = start_app(main_window=True, **options)
        widget = with_runs(monkeypatch, app.load_module(MODULE), runs)
        choose(app, widget, add_ct(app, coarse_slab().volume))
        return app, widget

    return start


def complaint(app, widget, runs):
    """A click on the button ends in one message, which is returned, and nothing else."""
    ids = node_ids(app)
    run(app, widget)
    errors = [message.text for message in app.displayed if message.kind == "error"]
    assert len(errors) == 1
    assert runs.asked == []
    assert node_ids(app) == ids
    assert widget.ui.detectButton.enabled
    assert widget.ui.statusLabel.text == errors[0].splitlines()[0]
    return errors[0]


def test_without_the_pytorch_extension_the_user_is_told_to_install_it(ready, runs, monkeypatch):
    app, widget = ready(pytorch=False)
    from LungCancerDxLib.slicer.panel import dependencies

    monkeypatch.setattr(dependencies, "find_spec", lambda name: None)
    assert "Install the PyTorch extension in the Extensions Manager" in complaint(app, widget, runs)


def test_where_torch_is_there_without_the_extension_it_is_used(ready, runs):
    app, widget = ready(pytorch=False)
    run(app, widget)
    assert len(cases(app)) == 1
    assert app.displayed == []


def test_torch_declined(ready, runs):
    app, widget = ready()
    app.torch.torch_installed = False
    app.answers["confirmOkCancel"] = False
    assert "PyTorch was not installed, as you chose" in complaint(app, widget, runs)


def test_torch_accepted_is_installed_once_and_the_run_starts(ready, runs):
    app, widget = ready()
    app.torch.torch_installed = False
    run(app, widget)
    run(app, widget)
    assert app.torch.requests == [">=2.5"]
    assert len(runs.asked) == 2


def test_torch_that_cannot_be_installed(ready, runs, monkeypatch):
    app, widget = ready()
    app.torch.torch_installed = False

    def fail(*_arguments, **_options):
        raise OSError("no route to host")

    monkeypatch.setattr(app.torch, "installTorch", fail)
    assert "could not install PyTorch: no route to host" in complaint(app, widget, runs)


def test_packages_declined(ready, runs):
    app, widget = ready()
    app.packaging.missing = {"safetensors"}
    app.answers["confirmOkCancel"] = False
    assert "as you chose" in complaint(app, widget, runs)


def test_packages_accepted_are_those_of_the_requirements_file(ready, runs):
    app, widget = ready()
    app.packaging.missing = {"safetensors", "pooch"}
    run(app, widget)
    (requester, asked), *_ = app.packaging.requests
    assert requester == "LungCancerDx"
    assert [line.partition(">=")[0] for line in asked] == ["nibabel", "safetensors", "pooch", "platformdirs", "tqdm"]
    assert len(app.packaging.installed) == 2
    assert len(runs.asked) == 1


@pytest.mark.parametrize("error", [RuntimeError("pip said no"), subprocess.CalledProcessError(1, "pip")])
def test_packages_that_cannot_be_installed(ready, runs, monkeypatch, error):
    app, widget = ready()
    import slicer.packaging

    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(slicer.packaging, "pip_ensure", fail)
    assert "Check the connection to the internet" in complaint(app, widget, runs)


@pytest.mark.parametrize("agrees", [True, False])
def test_slicer_5_10_has_no_packaging_and_is_asked_by_hand(ready, runs, monkeypatch, agrees):
    app, widget = ready(version=(5, 10))
    from LungCancerDxLib.slicer.panel import dependencies

    installed: list[list[str]] = []
    monkeypatch.setattr(dependencies, "_is_met", lambda requirement: requirement.name != "safetensors" or installed)
    monkeypatch.setattr(slicer.util, "pip_install", installed.append)
    app.answers["confirmOkCancel"] = agrees
    if agrees:
        run(app, widget)
        assert installed == [["--only-binary", ":all:", "safetensors>=0.4"]]
        assert len(runs.asked) == 1
    else:
        assert "were not installed, as you chose" in complaint(app, widget, runs)
        assert installed == []
    assert "safetensors>=0.4" in app.displayed[0].text


def test_slicer_5_10_with_all_packages_asks_nothing(ready, runs):
    app, widget = ready(version=(5, 10))
    run(app, widget)
    assert app.displayed == []
    assert len(runs.asked) == 1


def test_a_click_while_packages_are_being_installed_starts_no_second_run(ready, runs, monkeypatch):
    app, widget = ready()
    import slicer.packaging

    def install(*_arguments, **_options):
        assert widget.ui.detectButton.toolTip == "Packages are being installed."
        widget.panel.detect()
        app.process_events()

    monkeypatch.setattr(slicer.packaging, "pip_ensure", install)
    run(app, widget)
    assert len(runs.asked) == 1


def test_a_scene_closed_while_packages_are_being_installed_starts_no_run(ready, runs, monkeypatch):
    app, widget = ready()
    import slicer.packaging

    monkeypatch.setattr(slicer.packaging, "pip_ensure", lambda *_a, **_o: app.close_scene())
    widget.ui.detectButton.click()
    wait(app, widget)
    assert runs.asked == []
    assert app.displayed == []


def test_the_panel_and_the_synthetic_patient_load_nothing_that_has_to_be_installed(start_app):
    program = f"""
        import sys
        from pathlib import Path

        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {HEAVY!r}:
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, Missing())
        from Testing.slicer_stand_in.application import SlicerApplication

        with SlicerApplication(main_window=True) as app:
            widget = app.load_module(Path({str(MODULE)!r}))
            import LungCancerDx

            LungCancerDx.trueCase()
        print(sorted(set({HEAVY!r}) & set(sys.modules)))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_product_imports_nothing_of_the_tests():
    for path in [*(ROOT / "LungCancerDx").rglob("*.py"), *(ROOT / "LungCancerDxLib").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "Testing"], path
