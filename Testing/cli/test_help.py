"""The command `lungcancerdx`: its help and its version."""

import contextlib
import subprocess
import sys

import pytest

from LungCancerDxLib.cli import main
from Testing.helpers import environment


@pytest.mark.parametrize("arguments", [["--help"], ["score", "--help"], ["demo", "--help"], ["figure", "--help"]])
def test_help_is_there_at_once_and_loads_nothing_heavy(arguments):
    code = (
        "import contextlib, sys\nfrom LungCancerDxLib.cli import main\n"
        f"with contextlib.suppress(SystemExit): main({arguments})\n"
        "heavy = {'torch', 'numpy', 'scipy', 'skimage', 'SimpleITK', 'pydicom'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert process.stdout.startswith("usage: lungcancerdx")
    assert process.stdout.splitlines()[-1] == "heavy: []"


def test_help_tells_the_commands_and_the_exit_codes(capsys):
    with contextlib.suppress(SystemExit):
        main(["--help"])
    words = " ".join(capsys.readouterr().out.split())
    for part in ("score", "demo", "figure", "Research use only", "6 result could not be written", "130 cancelled"):
        assert part in words


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("lungcancerdx 0.")
