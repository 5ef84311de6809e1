"""The synthetic nodules as the paper's Fig. 2 shows its own: how large they are, and how large those of the ill are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..phantom.malignancy import draw_truth
from ..phantom.nodule import SyntheticNodule
from ..phantom.plain_lungs import PlainLungs
from ..phantom.population import POPULATIONS, Population, draw_nodules
from .plotting import pyplot

PATIENTS, SEED, EMPHYSEMA_SHARE = 1500, 0, 0.3
BIN_MM, UP_TO_MM = 2.0, 66.0
_COLORS: dict[Population, str] = {"luna": "tab:blue", "dsb": "tab:orange"}
_NAMES: dict[Population, str] = {"luna": "LUNA-like", "dsb": "DSB-like"}


def draw_population_figure(path: Path) -> None:
    """Three panels of what `PATIENTS` drawn patients of each set have.

    (a) nodule diameters in both sets (Fig. 2a), (b) the largest nodule of DSB-like patients with and without cancer, by
    their drawn labels (Fig. 2b; those without nodules are left out), (c) nodules per patient.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    plot = pyplot()
    rng = np.random.default_rng(SEED)
    drawn = {name: [draw_nodules(rng, PlainLungs(), population=name) for _ in range(PATIENTS)] for name in POPULATIONS}
    figure, (sizes, largest, counts) = plot.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    bins = np.arange(2.0, UP_TO_MM + BIN_MM, BIN_MM)
    most = max(len(patient) for patients in drawn.values() for patient in patients)
    for number, (name, patients) in enumerate(drawn.items()):
        diameters = [nodule.diameter_mm for patient in patients for nodule in patient]
        label = f"{_NAMES[name]}: {len(diameters)} nodules, mean {np.mean(diameters):.2f} mm"
        sizes.hist(diameters, bins, density=True, histtype="step", linewidth=2, color=_COLORS[name], label=label)
        shares = np.bincount([len(patient) for patient in patients], minlength=most + 1) / len(patients)
        counts.bar(np.arange(most + 1) + 0.4 * (number - 0.5), shares, 0.4, color=_COLORS[name], label=_NAMES[name])
    _draw_largest(largest, bins, drawn["dsb"], rng)
    sizes.set(title="(a) synthetic nodules", xlabel="diameter, mm", ylabel="share per mm")
    largest.set(title="(b) largest nodule, DSB-like", xlabel="diameter, mm", ylabel="share per mm")
    counts.set(title="(c) nodules per patient", xlabel="nodules", ylabel="share of patients")
    for axes in (sizes, largest, counts):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)
    plot.close(figure)


def _draw_largest(
    axes: Any, bins: np.ndarray, patients: list[tuple[SyntheticNodule, ...]], rng: np.random.Generator
) -> None:
    by_label: dict[bool, list[float]] = {True: [], False: []}
    for patient in patients:
        truth = draw_truth(rng, patient, emphysema=bool(rng.random() < EMPHYSEMA_SHARE))
        if patient:
            by_label[truth.label].append(max(nodule.diameter_mm for nodule in patient))
    for label, name, color in ((True, "cancer", "tab:red"), (False, "healthy", "tab:green")):
        words = f"{name}: {len(by_label[label])} patients, mean {np.mean(by_label[label]):.1f} mm"
        axes.hist(by_label[label], bins, density=True, histtype="step", linewidth=2, color=color, label=words)
