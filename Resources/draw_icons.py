"""Draws the icons of the extension and of the module: two lungs, and one nodule found in them."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch
from matplotlib.path import Path as Outline

ROOT = Path(__file__).resolve().parents[1]
ICONS = (ROOT / "Resources" / "LungCancerDx.png", ROOT / "LungCancerDx" / "Resources" / "Icons" / "LungCancerDx.png")
SIZE = 128

LUNG = "#6db5c8"
LUNG_EDGE = "#33809a"
RING = "#f28c1e"
NODULE_COLOUR = "#b3400f"

# One lung as cubic curves in a picture of 128 x 128, origin at the lower left; the other is its mirror image.
LUNG_POINTS = np.array(
    [
        (57, 62),
        *((57, 84), (55, 106), (44, 109)),
        *((27, 112), (9, 74), (6, 38)),
        *((4, 18), (10, 12), (22, 16)),
        *((34, 20), (50, 19), (54, 30)),
        *((57, 38), (57, 50), (57, 62)),
    ],
    dtype=float,
)
LUNG_CODES = [Outline.MOVETO] + [Outline.CURVE4] * (len(LUNG_POINTS) - 1)
WINDPIPE = ((64, 122), (64, 92))
BRANCHES = (((64, 93), (64, 84), (56, 80), (46, 74)), ((64, 93), (64, 84), (72, 80), (82, 74)))
NODULE = (94, 49)


def main() -> None:
    """Draw the icon and write it to both places."""
    figure = draw()
    for icon in ICONS:
        icon.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(icon, dpi=SIZE, transparent=True, metadata={"Software": None})


def draw() -> Figure:
    """The icon on a transparent square of one inch."""
    figure = Figure(figsize=(1, 1))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, SIZE), ylim=(0, SIZE))
    axes.set_axis_off()
    line = 72 / SIZE  # points a pixel

    for points in (LUNG_POINTS, LUNG_POINTS * (-1, 1) + (SIZE, 0)):
        lung = Outline(points, LUNG_CODES)
        axes.add_patch(PathPatch(lung, facecolor=LUNG, edgecolor=LUNG_EDGE, linewidth=4 * line, joinstyle="round"))
    for branch in BRANCHES:
        curve = Outline(branch, [Outline.MOVETO, *[Outline.CURVE4] * 3])
        axes.add_patch(PathPatch(curve, facecolor="none", edgecolor=LUNG_EDGE, linewidth=7 * line, capstyle="round"))
    axes.add_patch(
        PathPatch(Outline(WINDPIPE), edgecolor=LUNG_EDGE, facecolor="none", linewidth=10 * line, capstyle="round")
    )
    axes.add_patch(Circle(NODULE, 19, facecolor="white", edgecolor=RING, linewidth=7 * line))
    axes.add_patch(Circle(NODULE, 8, facecolor=NODULE_COLOUR, edgecolor="none"))
    return figure


if __name__ == "__main__":
    main()
