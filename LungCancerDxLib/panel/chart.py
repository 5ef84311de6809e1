"""What a case's score is made of, drawn: a bar for each nodule's share of the evidence, the leak's and the blanks'."""

from __future__ import annotations

import qt

from ..case import CaseResult
from ..scene.colours import malignancy_colour

_ROW_PIXELS, _NAME_PIXELS, _FIGURE_PIXELS = 20, 84, 52
_GREY = (0.55, 0.57, 0.6)


def shares(result: CaseResult) -> list[tuple[str, float, tuple[float, float, float]]]:
    """Name, share and colour of each part of the evidence, the nodules first; empty where the join has no shares."""
    parts = [
        (f"Nodule {nodule.rank}", nodule.contribution, malignancy_colour(nodule.malignancy))
        for nodule in result.nodules
        if nodule.contribution is not None
    ]
    if result.case.blank_share is not None:
        parts.append((f"{result.case.blank_count} blanks", result.case.blank_share, _GREY))
    if result.case.leak_share is not None:
        parts.append(("Leak", result.case.leak_share, _GREY))
    return parts


def draw_shares(result: CaseResult, width: int, text_colour: qt.QColor) -> qt.QPixmap:
    """The chart; an empty picture where there is nothing to show."""
    parts = shares(result)
    picture = qt.QPixmap(width, max(_ROW_PIXELS * len(parts), 1))
    picture.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(picture)
    longest = width - _NAME_PIXELS - _FIGURE_PIXELS
    for row, (name, share, colour) in enumerate(parts):
        top = row * _ROW_PIXELS
        length = max(round(longest * share), 1)
        painter.fillRect(_NAME_PIXELS, top + 4, length, _ROW_PIXELS - 8, _colour(colour))
        painter.setPen(text_colour)
        painter.drawText(0, top + _ROW_PIXELS - 6, name)
        painter.drawText(_NAME_PIXELS + length + 6, top + _ROW_PIXELS - 6, f"{100 * share:.0f} %")
    painter.end()
    return picture


def draw_legend(width: int, text_colour: qt.QColor) -> qt.QPixmap:
    """The colours of malignancy from 0 to 1."""
    picture = qt.QPixmap(width, 2 * _ROW_PIXELS)
    picture.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(picture)
    for x in range(width):
        painter.fillRect(x, 2, 1, _ROW_PIXELS - 6, _colour(malignancy_colour(x / (width - 1))))
    painter.setPen(text_colour)
    for value in (0.0, 0.5, 1.0):
        place = min(round(value * width), width - 22)
        painter.drawText(place, 2 * _ROW_PIXELS - 8, f"{value:.1f}")
    painter.end()
    return picture


def _colour(rgb: tuple[float, float, float]) -> qt.QColor:
    red, green, blue = (round(255 * value) for value in rgb)
    return qt.QColor(red, green, blue)
