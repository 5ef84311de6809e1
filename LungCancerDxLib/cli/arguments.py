"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..options import add_device_options
from ..options import expanded_path as path

if TYPE_CHECKING:
    from ..runtime.interruption import Stop

EXIT_CODES = (
    "exit codes: 0 done; 2 bad usage; 3 unreadable or unsuitable input; 4 model missing or damaged; 5 out of memory; "
    "6 result could not be written; 130 cancelled"
)

_LARGEST_SEED = 2**63 - 1

Run = Callable[[argparse.Namespace, "Stop"], str]
"""What a command does with its parsed arguments; returns the message for the terminal."""

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = argparse._SubParsersAction


def add_command(commands: Commands, name: str, run: Run, **options: Any) -> argparse.ArgumentParser:
    """The parser of a command, or of an action of one, that runs a function."""
    parser: argparse.ArgumentParser = commands.add_parser(name, **options)
    parser.add_argument("-v", "--verbose", action="store_true", help="say more when something fails")
    parser.set_defaults(run=run)
    return parser


def add_actions(commands: Commands, name: str, help: str) -> Commands:
    """The actions of a command that has several."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help)
    return parser.add_subparsers(dest="action", required=True, metavar="ACTION")


def count(text: str) -> int:
    """A whole number of one or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected one or more, got {number}")
    return number


def edge(text: str) -> int:
    """The edge of a cube that the networks take, in voxels."""
    size = count(text)
    if size % 16 or size < 32:  # of 16 the deepest map is one voxel, of which batch norm can learn nothing
        raise argparse.ArgumentTypeError(f"expected a multiple of 16 from 32 on, got {size}")
    return size


def seed(text: str) -> int:
    """A whole number of zero or more, within 63 bits."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected zero or more, got {number}")
    if number > _LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"expected {_LARGEST_SEED} or less, got {number}")
    return number


def share(text: str) -> float:
    """A probability from 0 to below 1."""
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"expected a probability from 0 to below 1, got {text}")
    return number


def add_progress_options(parser: argparse.ArgumentParser) -> None:
    """How the command tells of its progress and when it stops."""
    parser.add_argument("--progress", choices=("bar", "json", "none"), default="bar" if sys.stderr.isatty() else "none")
    parser.add_argument(
        "--background",
        action="store_true",
        help="run as a background job of another program: in a process group of its own, and stop when standard input "
        "reaches its end",
    )


def add_bank_options(parser: argparse.ArgumentParser, where: str) -> None:
    """Options of a training on real nodules; `where` they count begins their help."""
    help_of_bank = f"{where}real nodules with outlines and ratings (default: $LUNGCANCERDX_DATA)"
    parser.add_argument("--bank", metavar="FOLDER", type=path, help=help_of_bank)
    help_of_fold = f"{where}hold this part of the bank out, and the scan of its number"
    parser.add_argument("--fold", metavar="N", type=int, choices=range(5), help=help_of_fold)


def add_validation_option(parser: argparse.ArgumentParser) -> None:
    """Cases to check a training on."""
    parser.add_argument(
        "--validation",
        metavar="FOLDER",
        type=path,
        help="other cases, on which the run is checked now and then (validation.csv); nothing is chosen by them",
    )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """From which seed, where and how precisely a network is trained, and how often that is kept."""
    parser.add_argument("--seed", metavar="S", type=seed, default=0)
    add_device_options(parser)
    parser.add_argument("--resume", action="store_true", help="go on with the run in RUN")
    parser.add_argument(
        "--checkpoint-minutes", metavar="M", type=float, default=2.0, help="from one checkpoint to the next (default 2)"
    )
    add_progress_options(parser)
