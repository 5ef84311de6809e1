"""`lungcancerdx models`: the models at hand, and more of them."""

from __future__ import annotations

import argparse
import re
import uuid
from pathlib import Path

from ..case import OUTCOMES
from ..errors import LungCancerDxError, ModelError, OutputError, UsageError
from ..interrupt import Stop
from ..models.bundle import Model, save_model
from ..models.card import CARD_FILE, WEIGHTS_FILE, read_card
from ..models.download import PUBLIC_ADDRESS, fetch_checkpoints
from ..models.folders import installed_models, user_model_folder
from ..models.locate import find_model
from ..models.published import import_published
from ..staging import in_work
from ..terminal import make_progress

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_UNTRAINED_PREFIX = "untrained-"


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Do what the arguments of `models` say; returns the words for the terminal."""
    actions = {"list": _list, "info": _info, "import": _import, "fetch": _fetch, "remove": _remove}
    return actions[arguments.action](arguments, stop)


def _list(arguments: argparse.Namespace, stop: Stop) -> str:
    installed = installed_models()
    if not installed:
        return "No models are installed. `lungcancerdx models fetch grt123` gets the published weights of 2017."
    rows: list[tuple[str, ...]] = [("NAME", "PRESET", "OUTCOME", "SHA256", "SIZE", "WHERE")]
    rows += [_row(name, folder) for name, folder in installed.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(name: str, folder: Path) -> tuple[str, ...]:
    try:
        card = read_card(folder)
        said = (card.preset, card.outcome, card.sha256[:12])
    except LungCancerDxError:
        said = ("damaged", "-", "-")
    return (name, *said, _megabytes(_size(folder)), str(folder))


def _info(arguments: argparse.Namespace, stop: Stop) -> str:
    model = find_model(arguments.model)
    folder = installed_models().get(arguments.model, Path(arguments.model).expanduser())
    return _described(model, folder if folder.is_dir() else None)


def _described(model: Model, folder: Path | None) -> str:
    parameters = sum(p.numel() for net in (model.detector, model.classifier) for p in net.parameters())
    lines = {
        "name": model.name,
        "preset": model.preset.name,
        "outcome": f"{model.outcome} ({OUTCOMES[model.outcome]})",
        "trained on": model.trained_on,
        "join": model.join,
        "parameters": f"{parameters:,} in detector and classifier",
        "sha256": model.sha256,
        **({"size": _megabytes(_size(folder)), "folder": str(folder)} if folder else {}),
    }
    return "\n".join(f"{key + ':':<12}{value}" for key, value in lines.items())


def _import(arguments: argparse.Namespace, stop: Stop) -> str:
    if arguments.outcome is not None and not arguments.accept_unknown:
        raise UsageError("--outcome is for files that are not the published ones: pass --accept-unknown with it.")
    target = _free_place(arguments.name)
    progress = stop.watched(make_progress(arguments.progress))
    progress("reading the files", 0.0)
    model, warnings = import_published(
        arguments.detector, arguments.classifier, arguments.name, arguments.accept_unknown, arguments.outcome
    )
    progress("writing the model", 0.5)
    words = _saved(model, target, warnings)
    progress("writing the model", 1.0)
    return words


def _fetch(arguments: argparse.Namespace, stop: Stop) -> str:
    target = _free_place(arguments.name)
    progress = stop.watched(make_progress(arguments.progress))
    detector, classifier = fetch_checkpoints(arguments.source or PUBLIC_ADDRESS, progress)
    model, warnings = import_published(detector, classifier, arguments.name)
    return _saved(model, target, warnings)


def _saved(model: Model, target: Path, warnings: list[str]) -> str:
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


def _remove(arguments: argparse.Namespace, stop: Stop) -> str:
    name = arguments.name
    folder = _place(name)
    if not any((folder / file).is_file() for file in (CARD_FILE, WEIGHTS_FILE)):
        elsewhere = installed_models().get(name)
        if elsewhere is not None:
            raise UsageError(f"'{name}' lies in {elsewhere}, not among your own models: remove it there by hand.")
        raise ModelError(f"No model '{name}' in {user_model_folder()}. `lungcancerdx models list` names those at hand.")
    link = folder.is_symlink()
    freed = 0 if link else _size(folder)
    try:
        if link:
            folder.unlink()
        else:
            with in_work(folder.rename(folder.with_name(f".{name}.{uuid.uuid4().hex[:8]}"))):
                pass  # away as a whole, then file by file
    except OSError as error:
        raise OutputError(f"{folder} cannot be removed ({error.strerror}).") from error
    return f"Removed {folder}: {_megabytes(freed)} freed."


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
