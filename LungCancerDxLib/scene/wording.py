"""What the scene says of a case and its nodules, in words.

A score is called what `Case.score_name` calls it, nothing else.
"""

from __future__ import annotations

from ..case import CaseResult, Nodule


def nodule_label(nodule: Nodule) -> str:
    """Rank, and malignancy where it is known: "1: 0.63"."""
    return f"{nodule.rank}" if nodule.malignancy is None else f"{nodule.rank}: {nodule.malignancy:.2f}"


def nodule_description(nodule: Nodule, score_name: str) -> str:
    """One line on a nodule: size, type, place, score and what became of it."""
    diameter = nodule.diameter_mm if nodule.diameter_mm is not None else nodule.box_diameter_mm
    parts = [
        "size unknown" if diameter is None else f"{diameter:.1f} mm",
        nodule.type or "type unknown",
        f"{nodule.side} lung" if nodule.side else "",
        f"{nodule.third} third" if nodule.third else "",
        "not classified" if nodule.malignancy is None else f"{score_name} {nodule.malignancy:.2f}",
        "" if nodule.contribution is None else f"{100 * nodule.contribution:.0f} % of the case's evidence",
        "" if nodule.scored else "does not count in the case's score",
        "set by the user" if nodule.source == "user" else "",
    ]
    return ", ".join(part for part in parts if part)


def case_headline(result: CaseResult) -> str:
    """The case's score with its name: "0.71 - model score (simulated outcomes)"."""
    return f"{result.case.score:.2f} - {result.case.score_name}"


def case_summary(result: CaseResult) -> str:
    """The case as a person reads it, a few lines."""
    case = result.case
    lines = [
        f"Case score: {case_headline(result)}",
        f"Joined from {case.scored_nodules} of {len(result.nodules)} listed nodules by {case.join}",
        *(
            f"{name}: {100 * share:.0f} % of the evidence"
            for name, share in (("Leak (what was not seen)", case.leak_share), ("Blank proposals", case.blank_share))
            if share is not None
        ),
        "",
        *(
            f"Nodule {nodule_label(nodule)} - {nodule_description(nodule, case.score_name)}"
            for nodule in result.nodules
        ),
        "",
        *(f"Warning: {warning}" for warning in result.warnings),
        f"{result.model_words}. For research use only.",
    ]
    return "\n".join(lines) + "\n"
