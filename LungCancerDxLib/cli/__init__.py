"""The command `lungcancerdx`: one file a command. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .. import __version__
from ..errors import Cancelled, LungCancerDxError, OutOfMemoryError, OutputError, UsageError, cannot_be_opened
from ..runtime.interruption import Stop, become_background_job, run_until_stopped
from ..runtime.memory import check_address_space, lacks_memory
from .arguments import EXIT_CODES
from .terminal import open_streams, say

_COMMANDS = ("score", "report", "demo", "cohort", "models", "train", "evaluate", "study", "phantom", "figure")
"""A file each, with `add_<name>`."""

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    open_streams()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads that spin starve whatever else is running
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages: a fifth of the detector's time
    try:
        parsed = _parser().parse_args(arguments)
    except SystemExit:  # the help, which may still be in a buffer, or a usage error
        say("", sys.stdout, end="")
        raise
    logging.basicConfig(level=logging.DEBUG if parsed.verbose else logging.WARNING, format="%(name)s: %(message)s")
    json_progress = getattr(parsed, "progress", "none") == "json"

    def report(error: LungCancerDxError) -> None:
        if json_progress:
            _say_json(error=str(error), exit_code=error.exit_code)
        say(f"lungcancerdx: {error}", sys.stderr)

    def work(stop: Stop) -> str:
        if getattr(parsed, "background", False):
            group = become_background_job(stop.ask)
            if json_progress and group is not None:
                _say_json(process_group=group)
        message: str = parsed.run(parsed, stop)
        return message

    try:
        check_address_space()
        message = run_until_stopped(work, report)
        if json_progress:
            say(message, sys.stderr)
        elif failure := say(message, sys.stdout):
            raise OutputError(
                f"Standard output cannot be written ({failure.strerror}); the work itself is done, and what it made is "
                "kept."
            )
    except Exception as error:
        if parsed.verbose:
            logging.getLogger("lungcancerdx").exception("failed")
        if isinstance(error, LungCancerDxError):
            known = error
        elif isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            known = UsageError(f"The name {error.filename} is too long for a file or folder; give a shorter one.")
        elif isinstance(error, OSError) and error.errno in _REFUSED and error.filename is not None:
            known = _refused(error, getattr(parsed, "out", None))
        elif lacks_memory(error):
            known = OutOfMemoryError("Not enough memory, or too few threads are allowed. See `ulimit -a`.")
        else:
            raise
        report(known)
        if isinstance(known, Cancelled) and arguments is None:
            os._exit(known.exit_code)  # whoever stops the program does not wait until torch has tidied up
        return known.exit_code
    return 0


def _refused(error: OSError, out: object) -> LungCancerDxError:
    """What the system does not allow: to write, where the name is of the output or the disk is full; else to read."""
    is_output = out is not None and Path(error.filename).absolute().is_relative_to(Path(str(out)).absolute())
    if is_output or error.errno not in (errno.EACCES, errno.EPERM):
        return OutputError(f"{error.filename} cannot be written ({error.strerror}). Choose another folder.")
    return cannot_be_opened(Path(error.filename), error)


def _say_json(**content: object) -> None:
    say(json.dumps(content), sys.stdout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lungcancerdx",
        description="Find lung nodules in a chest CT and score them and the case (Liao et al., the 3D deep leaky "
        "noisy-or network). Research use only.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        getattr(import_module(f".{name}", __name__), f"add_{name}")(commands)
    return parser
