"""The command `lungcancerdx`: one file a command. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from .. import __version__
from ..errors import LungCancerDxError, OutOfMemoryError
from ..runtime.interruption import Stop, become_background_job, run_until_stopped
from .arguments import EXIT_CODES
from .cohort import add_cohort
from .demo import add_demo
from .evaluate import add_evaluate
from .figure import add_figure
from .models import add_models
from .phantom import add_phantom
from .score import add_score
from .train import add_train

_COMMANDS = (add_score, add_demo, add_cohort, add_models, add_train, add_evaluate, add_phantom, add_figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads that spin starve whatever else is running
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages: a fifth of the detector's time
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
        message: str = parsed.run(parsed, stop)
        return message

    try:
        message = run_until_stopped(work, report)
    except (LungCancerDxError, MemoryError) as error:
        if parsed.verbose:
            logging.getLogger("lungcancerdx").exception("failed")
        known = error if isinstance(error, LungCancerDxError) else OutOfMemoryError("Not enough memory.")
        report(known)
        return known.exit_code
    print(message, file=sys.stderr if json_progress else sys.stdout)
    return 0


def _print_json(**content: object) -> None:
    print(json.dumps(content), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lungcancerdx",
        description="Find lung nodules in a chest CT and score them and the case (Liao et al., the 3D deep leaky "
        "noisy-or network). Research use only.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    return parser
