"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXIT_CODES = (
    "exit codes: 0 done; 2 bad usage; 3 unreadable or unsuitable input; 4 model missing or damaged; 5 out of memory; "
    "6 result could not be written; 130 cancelled"
)


def path(text: str) -> Path:
    """A path, with ~ for the home folder."""
    return Path(text).expanduser()


def count(text: str) -> int:
    """A whole number of one or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected one or more, got {number}")
    return number


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Which model."""
    parser.add_argument("--model", metavar="NAME|DIR", help="a model's name or its folder (default: the default model)")


def add_compute_options(parser: argparse.ArgumentParser) -> None:
    """Where and how precisely the networks run."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto")
    parser.add_argument(
        "--max-memory",
        metavar="GB",
        type=float,
        help="that the process may take, or of a graphics card's memory (default 3); the score does not depend on it",
    )


def add_running_options(parser: argparse.ArgumentParser) -> None:
    """How the command tells of its progress and when it stops."""
    parser.add_argument("--progress", choices=("bar", "json", "none"), default="bar" if sys.stderr.isatty() else "none")
    parser.add_argument(
        "--background",
        action="store_true",
        help="run as a background job of another program: in a process group of its own, and stop when standard input "
        "reaches its end",
    )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """From which seed, where and how precisely a network is trained, and how often that is kept."""
    parser.add_argument("--seed", metavar="S", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto")
    parser.add_argument(
        "--validation",
        metavar="FOLDER",
        type=path,
        help="other cases, on which the run is checked now and then (validation.csv); nothing is chosen by them",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in RUN")
    parser.add_argument(
        "--checkpoint-minutes", metavar="M", type=float, default=2.0, help="from one checkpoint to the next (default 2)"
    )
    add_running_options(parser)
