"""The colours of results: what a nodule's malignancy looks like.

Malignancy 0 is blue, 0.5 yellow, 1 red, and in between it is linear in RGB: a scale that people who confuse red and
green can read. A nodule that was not classified is grey. The colours say nothing of what the score means; that is
said in words by the score's name.
"""

from __future__ import annotations

import numpy as np

Colour = tuple[float, float, float]

_MALIGNANCY_STOPS = (0.0, 0.5, 1.0)
_MALIGNANCY_COLOURS = ((0.17, 0.48, 0.71), (1.0, 0.85, 0.18), (0.84, 0.10, 0.11))
UNCLASSIFIED: Colour = (0.65, 0.65, 0.65)

LEFT_LUNG: Colour = (0.77, 0.65, 0.57)
RIGHT_LUNG: Colour = (0.57, 0.69, 0.77)

SCORED_POINT: Colour = (1.0, 0.62, 0.10)
UNSCORED_POINT: Colour = (0.62, 0.62, 0.62)


def malignancy_colour(malignancy: float | None) -> Colour:
    """RGB in 0..1 of a malignancy in 0..1, or of none."""
    if malignancy is None:
        return UNCLASSIFIED
    r, g, b = (float(np.interp(malignancy, _MALIGNANCY_STOPS, c)) for c in zip(*_MALIGNANCY_COLOURS, strict=True))
    return r, g, b
