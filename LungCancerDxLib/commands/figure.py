"""`lungcancerdx figure`: the preprocessing, like the paper's Figs. 3 and 4; synthetic patients and their nodules."""

from __future__ import annotations

import argparse

from ..errors import OutputError, UsageError
from ..interrupt import Stop
from ..phantom.case import synthetic_case
from ..pictures.likeness import draw_likeness
from ..pictures.masks import save_mask_figure
from ..pictures.population import draw_population_figure
from ..pictures.steps import save_step_figure
from ..preset import PRESETS
from ..readers import read_ct


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Draw the figure; returns the words for the terminal."""
    if arguments.out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"The figure {arguments.out} needs a name ending in .png, .pdf or .svg.")
    try:
        _FIGURES[arguments.what](arguments)
    except OSError as error:
        raise OutputError(f"The figure {arguments.out} cannot be written ({error.strerror}).") from error
    return f"Figure in {arguments.out}"


def _steps(arguments: argparse.Namespace) -> None:
    if len(arguments.ct) != 1:
        raise UsageError(f"A figure of the steps shows one CT, got {len(arguments.ct)}.")
    save_step_figure(read_ct(arguments.ct[0]), PRESETS[arguments.preset], arguments.out, arguments.slices)


def _masks(arguments: argparse.Namespace) -> None:
    if arguments.slices:
        raise UsageError("--slices belongs to the steps; a figure of masks chooses its own.")
    if not arguments.ct:
        raise UsageError("A figure of masks needs a CT or more.")
    save_mask_figure(arguments.ct, read_ct, PRESETS[arguments.preset], arguments.out)


def _likeness(arguments: argparse.Namespace) -> None:
    patients = (synthetic_case(arguments.seed, index).patient for index in range(arguments.patients))
    draw_likeness([patient.volume for patient in patients], [read_ct(path) for path in arguments.ct], arguments.out)


def _population(arguments: argparse.Namespace) -> None:
    if arguments.ct:
        raise UsageError("A figure of the population shows synthetic nodules; it takes no CT.")
    draw_population_figure(arguments.out)


_FIGURES = {"steps": _steps, "masks": _masks, "likeness": _likeness, "population": _population}
