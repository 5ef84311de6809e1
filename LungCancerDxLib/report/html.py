"""A report as one HTML file: pictures inside, light and dark on a screen, two pages in print."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

from ..names import RESEARCH_USE_ONLY
from .content import NODULE_COLUMNS, PROPOSALS, TITLE, Picture, Report

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b646e; --line: #d5dae0; --back: #ffffff; --box: #f3f5f8;
  --mark: #9a5b00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a2abb5; --line: #3a4149; --back: #15181b;
  --box: #1f2429; --mark: #ffb84d; } }
@page { size: A4; margin: 12mm; }
body { margin: 0; background: var(--back); color: var(--ink); font: 14px/1.4 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.2rem; }
h1 { font-size: 1.5em; margin: 0; } h2 { font-size: 1.1em; margin: 1em 0 .3em; }
.research, .caption, dt { color: var(--soft); }
.warning { color: var(--mark); font-weight: 600; }
.boxes { display: flex; gap: .8em; margin: .8em 0; flex-wrap: wrap; }
.box { flex: 1 1 14em; background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: .5em .8em; }
.box strong { display: block; font-size: 1.45em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em; margin: .4em 0; }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25em .5em .25em 0;
  border-bottom: 1px solid var(--line); vertical-align: top; } th { color: var(--soft); font-weight: 600; }
.pictures { display: grid; grid-template-columns: 1.8fr 1fr; gap: .8em; align-items: start; margin-top: .8em; }
figure { margin: 0 0 .5em; } img { width: 100%; display: block; border-radius: 4px; }
ul { margin: .2em 0; padding-left: 1.2em; } p { margin: .25em 0; }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --back: #fff; --box: #f3f5f8;
  --mark: #7a4700; } body { font-size: 7.6pt; line-height: 1.3; } main { max-width: none; padding: 0; }
  .second { break-before: page; }
  figure, tr, .box { break-inside: avoid; } figure { margin: 0; } .pictures { grid-template-columns: 108mm 1fr; } }
"""


def to_html(report: Report) -> str:
    """The report as a document of its own."""
    case = [
        f"<h1>{TITLE}</h1><p class='research'>{escape(RESEARCH_USE_ONLY)}</p>",
        f"<p class='warning'>{escape(report.warning)}</p>" if report.warning else "",
        "<div class='boxes'>",
        *(f"<div class='box'><strong>{escape(big)}</strong>{escape(small)}</div>" for big, small in report.headline),
        "</div>",
        _facts(report.about),
        *([f"<p class='caption'>{escape(PROPOSALS)}</p>", _table(report.nodules)] if report.nodules else []),
        "<div class='pictures'><div>",
        *(_figure(picture) for picture in report.pictures),
        "</div><div>",
        _figure(report.lungs),
        *(_note(*note) for note in report.notes[-1:]),
        "</div></div>",
        *(_note(*note) for note in report.notes[:-1]),
    ]
    method = [
        "<section class='second'><h2>Method</h2>",
        _facts(report.method),
        "<h2>Warnings</h2>",
        _list(report.warnings or ("None.",)),
        "<h2>Limits and sources</h2>",
        _list(report.limits),
        "</section>",
    ]
    return (
        f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>{TITLE}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join([*case, *method])
        + "\n</main></body></html>\n"
    )


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts) + "</dl>"


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in NODULE_COLUMNS)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    caption = escape(picture.caption)
    return (
        f"<figure><img src='data:image/png;base64,{data}' alt='{caption}'>"
        f"<figcaption class='caption'>{caption}</figcaption></figure>"
    )


def _note(heading: str, lines: Iterable[str]) -> str:
    return f"<p><b>{escape(heading)}.</b> {escape(' '.join(lines))}</p>"


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
