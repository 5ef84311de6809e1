"""`lungcancerdx models`: the models at hand, and more of them."""

from __future__ import annotations

import argparse
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LungCancerDxError, ModelError, OutputError, UsageError
from ..models.registry import CARD_FILE, WEIGHTS_FILE, installed_models, read_card, user_model_folder
from ..names import FEATURE_COMBINING, OUTCOMES
from ..runtime.atomic import cleanup_on_exit
from ..runtime.interruption import Stop
from .arguments import Commands, add_actions, add_command, add_progress_options, path
from .terminal import make_progress

if TYPE_CHECKING:
    from ..models.bundle import Model

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_UNTRAINED_PREFIX = "untrained-"


def add_models(commands: Commands) -> None:
    """Its actions."""
    actions = add_actions(commands, "models", help="the models at hand, and more of them")
    add_command(actions, "list", run_list, help="the models at hand")
    info = add_command(actions, "info", run_info, help="what a model is")
    info.add_argument("model", metavar="NAME|DIR")
    fetch = add_command(actions, "fetch", run_fetch, help="download the weights that the authors published in 2017")
    fetch.add_argument("name", metavar="NAME", nargs="?", choices=("grt123",), default="grt123", help="grt123")
    fetch.add_argument(
        "--from", dest="source", metavar="URL|FOLDER", help="where detector.ckpt and classifier.ckpt are instead"
    )
    add_progress_options(fetch)
    imported = add_command(actions, "import", run_import, help="make a model of the two files published in 2017")
    imported.add_argument("detector", metavar="DETECTOR", type=path, help="detector.ckpt")
    imported.add_argument("classifier", metavar="CLASSIFIER", type=path, help="classifier.ckpt")
    imported.add_argument("--name", default="grt123", help="of the new model (default grt123)")
    imported.add_argument("--accept-unknown", action="store_true", help="also take files that are not the published")
    imported.add_argument("--outcome", choices=OUTCOMES, help="what unknown files were trained on (default none)")
    add_progress_options(imported)
    calibrate = add_command(
        actions, "calibrate", run_calibrate, help="suspicions to shares rated over 3, on nodules held out from training"
    )
    calibrate.add_argument("model", metavar="MODEL|RUN", help="of outcome readers")
    calibrate.add_argument("scores", metavar="CSV", type=path, nargs="+", help="held-out.csv of trainings with --fold")
    calibrate.add_argument("--out", metavar="DIR", type=path, required=True, help="the new model, called as its folder")
    calibrate.add_argument(
        "--cross-validated",
        metavar="NEW_CSV",
        type=path,
        help="each suspicion as fitted without its part of the patients",
    )
    combine = add_command(actions, "combine", run_combine, help="one model's detector and another's classifier")
    combine.add_argument("detector", metavar="DETECTOR", help="a model or run")
    combine.add_argument("classifier", metavar="CLASSIFIER", help="a model or run")
    combine.add_argument("--out", metavar="DIR", type=path, required=True, help="the new model, called as its folder")
    remove = add_command(actions, "remove", run_remove, help="remove one of your own models")
    remove.add_argument("name", metavar="NAME")


def run_list(arguments: argparse.Namespace, stop: Stop) -> str:
    """Name the models; returns the message for the terminal."""
    installed = installed_models()
    if not installed:
        return "No models are installed. `lungcancerdx models fetch grt123` gets the published weights of 2017."
    rows: list[tuple[str, ...]] = [("NAME", "PRESET", "OUTCOME", "SHA256", "SIZE", "WHERE")]
    for name, folder in installed.items():
        try:
            card = read_card(folder)
            said = (card.preset, card.outcome, card.sha256[:12])
        except LungCancerDxError:
            said = ("damaged", "-", "-")
        rows.append((name, *said, _size(folder), str(folder)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def run_info(arguments: argparse.Namespace, stop: Stop) -> str:
    """Describe a model; returns the message for the terminal."""
    from ..models.find import find_model

    model = find_model(arguments.model)
    folder = installed_models().get(arguments.model, path(arguments.model))
    return _described(model, folder if folder.is_dir() else None)


def _described(model: Model, folder: Path | None) -> str:
    parameters = sum(p.numel() for net in (model.detector, model.classifier) for p in net.parameters())
    lines = {
        "name": model.name,
        "preset": model.preset.name,
        "outcome": f"{model.outcome} ({OUTCOMES[model.outcome]})",
        "trained on": model.trained_on,
        "learned": f"from {model.learned_from}",
        **({"bank folds": ", ".join(map(str, model.bank_folds))} if model.bank_folds else {}),
        **({"bank": model.bank} if model.bank else {}),
        "join": model.join,
        "parameters": f"{parameters:,} in detector and classifier",
        "sha256": model.sha256,
        **({"size": _size(folder), "folder": str(folder)} if folder else {}),
    }
    return "\n".join(f"{key + ':':<12}{value}" for key, value in lines.items())


def run_calibrate(arguments: argparse.Namespace, stop: Stop) -> str:
    """Calibrate a model by Platt scaling and, with nodules' outlines, late fusion; returns the message."""
    from dataclasses import replace

    from ..evaluation.fusion import cross_validated, fitted_scale, read_outlined_nodules
    from ..evaluation.ratings import COLUMNS
    from ..io.tables import write_table
    from ..models.bundle import calibrated, save_model, with_fusion
    from ..models.find import model_or_run, segmenter_of
    from ..runtime.atomic import check_target

    check_target(arguments.out)
    if arguments.cross_validated is not None:
        check_target(arguments.cross_validated)
    model = model_or_run(arguments.model)
    if model.outcome != "readers":
        raise UsageError(
            f"Model '{model.name}' is of outcome {model.outcome}; ratings calibrate one of outcome readers."
        )
    if model.join == FEATURE_COMBINING:
        raise UsageError(
            f"Model '{model.name}' scores the case as a whole: its nodules have no suspicion to calibrate."
        )
    nodules = read_outlined_nodules(arguments.scores)
    slope, intercept, fusion = fitted_scale(nodules)
    made = calibrated(model, slope, intercept, nodules.rated.basis)
    said, slopes = f"The logit of a suspicion is now {slope:.3f} times itself {intercept:+.3f}.", [slope]
    if fusion is not None:
        slopes.append(fusion.network)
        made = with_fusion(made, fusion, nodules.chosen(nodules.there).rated.basis)
        made = replace(made, segmenter=segmenter_of(model))  # whose outlines these are
        said += " That of a nodule with an outline weighs its diameter and calcification, too."
    elif model.fusion is not None:
        said += " Its late fusion, which was fitted to the logits before, is gone: these tables have too few outlines."
    if min(slopes) <= 0:
        raise UsageError("Nodules of higher suspicion are rated lower in these tables; are they of another model?")
    made = replace(made, name=arguments.out.resolve().name)
    suspicion = None if arguments.cross_validated is None else cross_validated(nodules)
    made = replace(made, sha256=save_model(made, arguments.out, half_precision=True))
    if suspicion is not None:
        rated = nodules.rated
        shown = (nodules.names, rated.patients, rated.rating.astype(int), rated.diameter_mm, suspicion)
        write_table(arguments.cross_validated, COLUMNS, zip(*(column.tolist() for column in shown), strict=True))
    return f"{_described(made, arguments.out)}\n{said}"


def run_combine(arguments: argparse.Namespace, stop: Stop) -> str:
    """Make a model of two; returns the message for the terminal."""
    from dataclasses import replace

    from ..models.bundle import combined, save_model
    from ..models.find import model_or_run
    from ..runtime.atomic import check_target

    check_target(arguments.out)
    made = combined(model_or_run(arguments.detector), model_or_run(arguments.classifier))
    made = replace(made, name=arguments.out.resolve().name)
    made = replace(made, sha256=save_model(made, arguments.out, half_precision=True))
    return _described(made, arguments.out)


def run_import(arguments: argparse.Namespace, stop: Stop) -> str:
    """Make a model of two files; returns the message for the terminal."""
    from ..models.published import import_published

    if arguments.outcome is not None and not arguments.accept_unknown:
        raise UsageError("--outcome is for files that are not the published ones: pass --accept-unknown with it.")
    target = _free_place(arguments.name)
    progress = stop.watched(make_progress(arguments.progress))
    progress("reading the files", 0.0)
    model, warnings = import_published(
        arguments.detector, arguments.classifier, arguments.name, arguments.accept_unknown, arguments.outcome
    )
    progress("writing the model", 0.5)
    message = _saved(model, target, warnings)
    progress("writing the model", 1.0)
    return message


def run_fetch(arguments: argparse.Namespace, stop: Stop) -> str:
    """Download and make a model; returns the message for the terminal."""
    from ..models.published import PUBLIC_ADDRESS, fetch_checkpoints, import_published

    target = _free_place(arguments.name)
    progress = stop.watched(make_progress(arguments.progress))
    detector, classifier = fetch_checkpoints(arguments.source or PUBLIC_ADDRESS, progress)
    model, warnings = import_published(detector, classifier, arguments.name)
    return _saved(model, target, warnings)


def _saved(model: Model, target: Path, warnings: list[str]) -> str:
    from ..models.bundle import save_model

    save_model(model, target)
    return "\n".join([_described(model, target), *(f"Warning: {warning}" for warning in warnings)])


def _free_place(name: str) -> Path:
    """Where a new model of this name goes; refused before any work where it may not or would not be found."""
    target = _place(name)
    if name.lower().startswith(_UNTRAINED_PREFIX):
        raise UsageError(f"Names that begin with '{_UNTRAINED_PREFIX}' stand for networks without training.")
    taken = target if target.exists() else installed_models().get(name)
    if taken is not None:
        raise UsageError(
            f"There is a model '{name}' already, in {taken}. Choose another --name, or first run "
            f"`lungcancerdx models remove {name}`."
        )
    return target


def _place(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' is no name for a model: letters, digits and ._- between them, at most 64.")
    return user_model_folder() / name


def run_remove(arguments: argparse.Namespace, stop: Stop) -> str:
    """Remove a model; returns the message for the terminal."""
    name = arguments.name
    folder = _place(name)
    if not any((folder / file).is_file() for file in (CARD_FILE, WEIGHTS_FILE)):
        elsewhere = installed_models().get(name)
        if elsewhere is not None:
            raise UsageError(f"'{name}' lies in {elsewhere}, not among your own models: remove it there by hand.")
        raise ModelError(f"No model '{name}' in {user_model_folder()}. `lungcancerdx models list` names those at hand.")
    link = folder.is_symlink()
    freed = "0.0 MB" if link else _size(folder)
    try:
        if link:
            folder.unlink()
        else:
            with cleanup_on_exit(folder.rename(folder.with_name(f".{name}.{uuid.uuid4().hex[:8]}"))):
                pass  # away as a whole, then file by file
    except OSError as error:
        raise OutputError(f"{folder} cannot be removed ({error.strerror}).") from error
    return f"Removed {folder}: {freed} freed."


def _size(folder: Path) -> str:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e6:.1f} MB"
