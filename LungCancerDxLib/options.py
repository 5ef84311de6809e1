"""How a scan is to be scored: the one set of options that command line, demo, panel and cohorts share."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .names import DEVICES, PRECISIONS


@dataclass(frozen=True)
class ScoreOptions:
    """Everything that a user may say about scoring a scan.

    Parameters
    ----------
    model
        A model's name or folder; None: the default model.
    device, precision
        Where and how precisely the networks run, see `names.DEVICES` and `names.PRECISIONS`.
    max_memory_gb
        That the process may take, or of a graphics card's memory; None: the default. The score does not depend on it.
    points
        A file of spots to classify too: CSV with columns x, y, z in LPS mm, or points saved by 3D Slicer.
    classify
        Ranks of listed nodules to give their malignancy too; they do not count.
    classify_all
        Give every listed nodule its malignancy.
    cache
        A folder that keeps the preprocessed scan for a second request.
    patient
        A JSON file of what is known of the patient, see `assessment.patient`.
    """

    model: str | None = None
    device: str = "auto"
    precision: str = "auto"
    max_memory_gb: float | None = None
    points: Path | None = None
    classify: tuple[int, ...] = ()
    classify_all: bool = False
    cache: Path | None = None
    patient: Path | None = None

    @staticmethod
    def from_arguments(arguments: argparse.Namespace) -> ScoreOptions:
        """The options of a parsed command line; what a command does not offer stays at its default."""
        given = vars(arguments)
        return ScoreOptions(
            model=given.get("model"),
            device=given["device"],
            precision=given["precision"],
            max_memory_gb=given["max_memory"],
            points=given.get("points"),
            classify=tuple(given.get("classify") or ()),
            classify_all=given.get("classify_all", False),
            cache=given.get("cache"),
            patient=given.get("patient"),
        )

    def to_arguments(self) -> list[str]:
        """The arguments of `lungcancerdx score` that mean these options."""
        optional = {
            "--model": self.model,
            "--max-memory": self.max_memory_gb,
            "--points": self.points,
            "--cache": self.cache,
            "--patient": self.patient,
        }
        arguments = ["--device", self.device, "--precision", self.precision]
        for option, value in optional.items():
            if value is not None:
                arguments += [option, str(value)]
        if self.classify:
            arguments += ["--classify", *map(str, self.classify)]
        return [*arguments, *(["--classify-all"] if self.classify_all else [])]


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Where and how precisely networks run."""
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model, and where and how precisely its networks run."""
    parser.add_argument("--model", metavar="NAME|DIR", help="a model's name or its folder (default: the default model)")
    add_device_options(parser)
    parser.add_argument(
        "--max-memory",
        metavar="GB",
        type=float,
        help="that the process may take, or of a graphics card's memory (default 3); the score does not depend on it",
    )


def add_score_options(parser: argparse.ArgumentParser) -> None:
    """All of `ScoreOptions`."""
    add_model_options(parser)
    parser.add_argument(
        "--points",
        metavar="FILE",
        type=expanded_path,
        help="also classify these spots: a CSV file with columns x,y,z in LPS mm, or points saved by 3D Slicer",
    )
    parser.add_argument(
        "--classify", metavar="RANK", type=int, nargs="+", default=(), help="also give these nodules their malignancy"
    )
    parser.add_argument("--classify-all", action="store_true", help="give every listed nodule its malignancy")
    parser.add_argument(
        "--patient",
        metavar="FILE",
        type=expanded_path,
        help="what is known of the patient, for risk models and guidelines: a JSON file, see docs/assessment.md",
    )
    parser.add_argument(
        "--cache", metavar="DIR", type=expanded_path, help="keep the preprocessed scan for a second request"
    )


def expanded_path(text: str) -> Path:
    """A path, with ~ for the home folder; as it is where there is no such user."""
    with suppress(RuntimeError):
        return Path(text).expanduser()
    return Path(text)
