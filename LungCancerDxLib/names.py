"""What things are called everywhere: outcomes, joins, precisions. Costs nothing to import."""

from __future__ import annotations

from collections.abc import Sequence

OUTCOMES = {
    "clinical": "cancer probability",
    "readers": "suspicion of the case",
    "synthetic": "model score (simulated outcomes)",
    "none": "no trained model, scores mean nothing",
}
"""What a case's score is called, by what the model was trained on."""

NODULE_SCORES = {
    "clinical": "malignancy, learned from cases' outcomes",
    "readers": "suspicion, as radiologists rate it",
}
"""What a nodule's own score is called where that is not what the case's is called."""

SHORT_NODULE_SCORES = {outcome: "suspicion" if outcome == "readers" else "malignancy" for outcome in OUTCOMES}
"""What a nodule's own score is called in one word."""

OUTCOME_REMARKS = {
    "clinical": "Trained on clinical outcomes of other patients: no probability for this one.",
    "readers": "Trained on radiologists' ratings: its scores are no cancer probabilities.",
    "synthetic": "Trained on simulated outcomes: its scores are no cancer probabilities.",
    "none": "Not trained: its scores mean nothing.",
}
"""What to know of a model before its scores are read."""

FEATURE_COMBINING, MAX_P, NOISY_OR, LEAKY_NOISY_OR = "feature-combining", "max-p", "noisy-or", "leaky-noisy-or"
JOINS = (FEATURE_COMBINING, MAX_P, NOISY_OR, LEAKY_NOISY_OR)
"""How the nodules of a case are joined (sections V-A to V-D, Fig. 6b)."""

PRESET_NAMES = ("DEFAULT", "PAPER", "GRT123")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")

SOLID, PART_SOLID, GROUND_GLASS, CALCIFIED = "solid", "part-solid", "ground-glass", "calcified"
"""Types of nodules."""

LEFT, RIGHT, UNKNOWN_SIDE = 1, 2, 3
"""Labels of the lungs, the patient's own sides; the last is a lung of which the image does not tell."""

SIDES = {LEFT: "left", RIGHT: "right", UNKNOWN_SIDE: "unknown"}
"""What `Nodule.side` says of a lung's label."""

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."
UNTRAINED_NOTICE = "NO TRAINED MODEL: scores mean nothing. They only show that everything runs."

EMPHYSEMA_SHARE = "smoothed_share_below_950_hu"
"""The entry of `CaseResult.lungs` with the share of the lungs' voxels below -950 HU once noise is smoothed away."""


def model_title(name: str, preset: str, join: str) -> str:
    """A model in a few words."""
    return f"Model {name} (preset {preset}, {join})"


def describe_model(name: str, preset: str, join: str, trained_on: str) -> str:
    """A model and what it was trained on, in one line, which is long where it was trained in many rounds."""
    return f"{model_title(name, preset, join)}, trained on: {trained_on}"


def figure_text(value: float | None, form: str, unit: str = "", unknown: str = "") -> str:
    """A number in a format and with its unit, or what is written where it is not known."""
    return unknown if value is None else format(value, form) + unit


def capitalised(text: str) -> str:
    """A text with its first letter in upper case and the others as they are."""
    return text[:1].upper() + text[1:]


def printable(text: str) -> str:
    """A text in which bytes that are no UTF-8, as names of files may hold, are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def listed(names: Sequence[str], at_most: int = 5) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
