"""The command `lungcancerdx`. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import __version__
from .background_job import become_background_job
from .errors import LungCancerDxError, OutOfMemoryError
from .interrupt import Stop, run_until_stopped

_EXIT_CODES = (
    "exit codes: 0 done; 2 bad usage; 3 unreadable or unsuitable input; 4 model missing or damaged; 5 out of memory; "
    "6 result could not be written; 130 cancelled"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads that spin starve whatever else is running
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if parsed.verbose else logging.WARNING, format="%(name)s: %(message)s")
    json_progress = getattr(parsed, "progress", "none") == "json"

    def report(error: LungCancerDxError) -> None:
        with suppress(OSError):  # nobody listens any more
            if json_progress:
                _print_json(error=str(error), exit_code=error.exit_code)
            print(f"lungcancerdx: {error}", file=sys.stderr, flush=True)

    def work(stop: Stop) -> str:
        if getattr(parsed, "background", False):
            group = become_background_job(stop.ask)
            if json_progress and group is not None:
                _print_json(process_group=group)
        return importlib.import_module(f".commands.{parsed.command}", __package__).run(parsed, stop)

    try:
        words = run_until_stopped(work, report)
    except (LungCancerDxError, MemoryError) as error:
        if parsed.verbose:
            logging.getLogger("lungcancerdx").exception("failed")
        known = error if isinstance(error, LungCancerDxError) else OutOfMemoryError("Not enough memory.")
        report(known)
        return known.exit_code
    print(words, file=sys.stderr if json_progress else sys.stdout)
    return 0


def _print_json(**content: object) -> None:
    print(json.dumps(content), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lungcancerdx",
        description="Find lung nodules in a chest CT and score them and the case (Liao et al., the 3D deep leaky "
        "noisy-or network). Research use only.",
        epilog=_EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    score = commands.add_parser("score", help="detect and score the nodules of a CT", epilog=_EXIT_CODES)
    score.add_argument("ct", metavar="CT", type=_path, help="DICOM folder or multi-frame file, NIfTI, NRRD, MetaImage")
    score.add_argument("--out", metavar="DIR", type=_path, required=True, help="result folder, made anew")
    score.add_argument("--overwrite", action="store_true", help="replace an earlier result in DIR")
    _add_scoring_options(score)

    demo = commands.add_parser("demo", help="the same on a synthetic patient made on the spot")
    demo.add_argument("--out", metavar="DIR", type=_path, default=Path("lungcancerdx-demo"))
    _add_scoring_options(demo)

    figure = commands.add_parser("figure", help="draw the preprocessing of CTs (needs matplotlib)")
    figure.add_argument("what", choices=("steps", "masks"), help="every step on one CT, or the lung masks of several")
    figure.add_argument("ct", metavar="CT", type=_path, nargs="+")
    figure.add_argument("--out", metavar="FILE", type=_path, required=True, help="a .png, .pdf or .svg file")
    figure.add_argument("--preset", choices=("DEFAULT", "PAPER", "GRT123"), default="DEFAULT")
    figure.add_argument(
        "--slices",
        metavar="K",
        type=int,
        nargs="+",
        help="of the steps: slices from the feet (default: a middle and a low one)",
    )

    bench = commands.add_parser("bench", help="where the time of a case goes, beside what the machine can do")
    bench.add_argument("ct", metavar="CT", type=_path)
    bench.add_argument("--repeat", metavar="N", type=_count, default=5, help="runs of each stage (default 5)")
    bench.add_argument("--json", metavar="FILE", type=_path, help="write the figures to a file too")
    bench.add_argument("--model", metavar="NAME|DIR", help="a model's name or its folder (default: the default model)")
    _add_compute_options(bench)
    _add_running_options(bench)

    for command in (score, demo, figure, bench, *_add_models(commands)):
        command.add_argument("-v", "--verbose", action="store_true", help="say more when something fails")
    return parser


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected one or more, got {number}")
    return number


def _add_models(commands: Any) -> list[argparse.ArgumentParser]:
    models = commands.add_parser("models", help="the models at hand, and more of them")
    actions = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="the models at hand")
    info = actions.add_parser("info", help="what a model is")
    info.add_argument("model", metavar="NAME|DIR")
    fetch = actions.add_parser("fetch", help="download the weights that the authors published in 2017")
    fetch.add_argument("name", metavar="NAME", nargs="?", choices=("grt123",), default="grt123", help="grt123")
    fetch.add_argument(
        "--from", dest="source", metavar="URL|FOLDER", help="where detector.ckpt and classifier.ckpt are instead"
    )
    _add_running_options(fetch)
    imported = actions.add_parser("import", help="make a model of the two files published in 2017")
    imported.add_argument("detector", metavar="DETECTOR", type=_path, help="detector.ckpt")
    imported.add_argument("classifier", metavar="CLASSIFIER", type=_path, help="classifier.ckpt")
    imported.add_argument("--name", default="grt123", help="of the new model (default grt123)")
    imported.add_argument("--accept-unknown", action="store_true", help="also take files that are not the published")
    imported.add_argument(
        "--outcome", choices=("clinical", "synthetic", "none"), help="what unknown files were trained on (default none)"
    )
    _add_running_options(imported)
    remove = actions.add_parser("remove", help="remove one of your own models")
    remove.add_argument("name", metavar="NAME")
    return [listed, info, fetch, imported, remove]


def _add_scoring_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME|DIR", help="a model's name or its folder (default: the default model)")
    parser.add_argument(
        "--points", metavar="CSV", type=_path, help="also classify these spots: columns x,y,z in LPS mm"
    )
    parser.add_argument(
        "--classify", metavar="RANK", type=int, nargs="+", default=(), help="also give these nodules their malignancy"
    )
    parser.add_argument("--classify-all", action="store_true", help="give every listed nodule its malignancy")
    parser.add_argument("--cache", metavar="DIR", type=_path, help="keep the preprocessed scan for a second question")
    parser.add_argument(
        "--scene",
        action=argparse.BooleanOptionalAction,
        help="write the MRML scene and the pictures (default: where the packages are installed)",
    )
    _add_compute_options(parser)
    _add_running_options(parser)


def _add_compute_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto")
    parser.add_argument(
        "--max-memory",
        metavar="GB",
        type=float,
        help="for the detector's largest maps (default 2); the rest needs 1 to 2 more",
    )


def _add_running_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--progress", choices=("bar", "json", "none"), default="bar" if sys.stderr.isatty() else "none")
    parser.add_argument(
        "--background",
        action="store_true",
        help="run as a background job of another program: in a process group of its own, and stop when standard input "
        "reaches its end",
    )
