"""A report as PDF, by reportlab: the case on one page, method and limits on the next."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..names import RESEARCH_USE_ONLY
from .content import NODULE_COLUMNS, PROPOSALS, TITLE, Picture, Report

_FREE_SHARE = 0.7  # of a page
_MOST_BESIDE = 1500  # characters beside the pictures
_MARGIN_MM, _WIDTH_MM = 12.0, 186.0  # of A4
_PICTURES_MM, _LUNGS_MM, _HIGHEST_LUNGS_MM = 108.0, 74.0, 70.0
_COLUMN_SHARES = (0.06, 0.2, 0.11, 0.17, 0.1, 0.07, 0.16, 0.13)
_SOFT, _LINE, _BOX = "#5b646e", "#d5dae0", "#f3f5f8"
_FONT, _BOLD = "DejaVuSans", "DejaVuSans-Bold"  # matplotlib brings them; Helvetica knows Western letters only


def save_pdf(report: Report, path: Path) -> None:
    """Write the report.

    Raises
    ------
    UsageError
        Where reportlab or matplotlib is not installed.
    OSError
        Where the file cannot be written.
    """
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.lib.units import mm
        from reportlab.platypus import CondPageBreak, Paragraph, SimpleDocTemplate, Spacer
    except ImportError:
        raise UsageError("A report needs reportlab: pip install 'lungcancerdx[report]'.") from None
    styles = _styles()

    def text(content: str, style: str = "body") -> Paragraph:
        return Paragraph(content, styles[style])

    pictures = [each for picture in report.pictures for each in _captioned(picture, _PICTURES_MM, text)]
    *notes, on_all = [
        text(f"<b>{escape(heading)}.</b> {escape(' '.join(lines))}", "small") for heading, lines in report.notes
    ]
    beside = [on_all] if len(on_all.text) < _MOST_BESIDE else []  # a row of columns is not broken over pages
    lungs_mm = min(_LUNGS_MM, _HIGHEST_LUNGS_MM * report.lungs.aspect)
    story = [
        text(TITLE, "title"),
        text(escape(RESEARCH_USE_ONLY), "soft"),
        *([text(f"<b>{escape(report.warning)}</b>")] if report.warning else []),
        Spacer(0, 2 * mm),
        _boxes(report.headline, text),
        Spacer(0, 2 * mm),
        _facts(report.about, text, 42),
        Spacer(0, 2 * mm),
        *([text(escape(PROPOSALS), "soft"), _nodules(report.nodules, text)] if report.nodules else []),
        Spacer(0, 2 * mm),
        _columns(pictures or notes, [*_captioned(report.lungs, lungs_mm, text), *beside]),
        *(notes if pictures else []),
        *([] if beside else [on_all]),
        CondPageBreak(_FREE_SHARE * A4[1]),  # what does not fit on the first page begins the second
        text("Method", "heading"),
        _facts(report.method, text, 42),
        text("Warnings", "heading"),
        *(text(f"- {escape(line)}", "small") for line in report.warnings or ("None.",)),
        CondPageBreak(30 * mm),
        text("Limits and sources", "heading"),
        *(text(f"- {escape(line)}", "small") for line in report.limits),
    ]
    margin = _MARGIN_MM * mm
    document = SimpleDocTemplate(
        str(path), pagesize=A4, leftMargin=margin, rightMargin=margin, topMargin=margin, bottomMargin=margin
    )
    document.title, document.author = TITLE, "LungCancerDx"
    document.build(story, onFirstPage=_footer, onLaterPages=_footer)


def _styles() -> dict[str, Any]:
    import matplotlib
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in (_FONT, _BOLD):
        pdfmetrics.registerFont(TTFont(name, str(fonts / f"{name}.ttf")))
    pdfmetrics.registerFontFamily(_FONT, normal=_FONT, bold=_BOLD, italic=_FONT, boldItalic=_BOLD)
    body = ParagraphStyle("body", fontName=_FONT, fontSize=8, leading=10.4)
    return {
        "body": body,
        "small": ParagraphStyle("small", body, fontSize=7, leading=8.8, spaceAfter=1.5),
        "soft": ParagraphStyle("soft", body, fontSize=7.5, textColor=HexColor(_SOFT)),
        "title": ParagraphStyle("title", body, fontName=_BOLD, fontSize=15, leading=19),
        "big": ParagraphStyle("big", body, fontName=_BOLD, fontSize=13, leading=16),
        "heading": ParagraphStyle(
            "heading", body, fontName=_BOLD, fontSize=10, leading=13, spaceBefore=6, spaceAfter=3
        ),
    }


def _boxes(headline: Sequence[tuple[str, str]], text: Any) -> Any:
    from reportlab.lib.units import mm

    cells = [[text(escape(big), "big"), text(escape(small), "small")] for big, small in headline]
    return _grid([cells], [_WIDTH_MM * mm / len(cells)] * len(cells), ("BACKGROUND", (0, 0), (-1, -1), _BOX), "BOX")


def _facts(facts: Iterable[tuple[str, str]], text: Any, name_mm: float) -> Any:
    from reportlab.lib.units import mm

    rows = [[text(escape(name), "soft"), text(escape(value), "small")] for name, value in facts]
    return _grid(rows, [name_mm * mm, (_WIDTH_MM - name_mm) * mm], None, "", padding=0.6)


def _nodules(rows: Iterable[tuple[str, ...]], text: Any) -> Any:
    from reportlab.lib.units import mm

    head = [text(f"<b>{escape(name)}</b>", "small") for name in NODULE_COLUMNS]
    body = [[text(escape(cell), "small") for cell in row] for row in rows]
    return _grid([head, *body], [share * _WIDTH_MM * mm for share in _COLUMN_SHARES], None, "LINEBELOW", padding=1.5)


def _columns(left: list[Any], right: list[Any]) -> Any:
    from reportlab.lib.units import mm

    return _grid([[left, right]], [(_WIDTH_MM - _LUNGS_MM) * mm, _LUNGS_MM * mm], None, "", padding=0)


def _grid(rows: Any, widths: list[float], extra: Any, line: str, padding: float = 4.0) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table, TableStyle

    everything = (0, 0), (-1, -1)
    commands: list[Any] = [
        ("VALIGN", *everything, "TOP"),
        ("LEFTPADDING", *everything, padding if line == "BOX" else 0),
        *((f"{side}PADDING", *everything, padding) for side in ("RIGHT", "TOP", "BOTTOM")),
    ]
    if extra:
        name, start, stop, colour = extra
        commands.append((name, start, stop, HexColor(colour)))
    if line:
        commands.append((line, *everything, 0.5, HexColor(_LINE)))
    return Table(rows, colWidths=widths, style=TableStyle(commands), hAlign="LEFT")


def _captioned(picture: Picture, width_mm: float, text: Any) -> list[Any]:
    from reportlab.lib.units import mm
    from reportlab.platypus import Image

    image = Image(io.BytesIO(picture.png), width_mm * mm, width_mm / picture.aspect * mm, hAlign="LEFT")
    return [image, text(escape(picture.caption), "soft")]


def _footer(canvas: Any, document: Any) -> None:
    from reportlab.lib.units import mm

    canvas.setFont(_FONT, 6.5)
    canvas.drawString(_MARGIN_MM * mm, 7 * mm, f"{TITLE}. {RESEARCH_USE_ONLY}")
    canvas.drawRightString((_MARGIN_MM + _WIDTH_MM) * mm, 7 * mm, str(document.page))
