"""What a report says of a case, before it has a form: the case on one page, method and limits on another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .. import __version__
from ..assessment.assess import DECIDES, Assessment, NoduleAssessment, assess, category_text
from ..assessment.brock import BROCK_NAME, MAYO_NAME, Risk
from ..assessment.lung_rads import MANAGEMENT
from ..assessment.patient import Patient
from ..assessment.reported import as_reported
from ..case import CaseResult, Nodule
from ..names import EMPHYSEMA_SHARE, OUTCOME_REMARKS, RESEARCH_USE_ONLY, UNTRAINED_NOTICE, capitalised
from ..volume import CTVolume
from .key_images import key_images, lung_map

TITLE = "Lung nodules on CT"
PROPOSALS = (
    "Proposals of a detector, not confirmed; some may be vessels. Brock, Mayo, Lung-RADS and Fleischner take each for "
    "a nodule."
)
NODULE_COLUMNS = ("No.", "Place", "Type", "Sphere / longest", "Volume", "Score", "Brock risk", "Lung-RADS")
_PICTURED = 3  # nodules whose pictures fit on the page
_SOURCES = (
    "Brock: McWilliams et al., N Engl J Med 2013;369:910-9, Table 2, models 2a and 2b.",
    "Mayo: Swensen et al., Arch Intern Med 1997;157:849-55.",
    "Lung-RADS v2022: American College of Radiology; by the volume's ball.",
    "Fleischner 2017: MacMahon et al., Radiology 2017;284:228-43, Table 1.",
    "Score: Liao et al., Evaluate the malignancy of pulmonary nodules using the 3D deep leaky noisy-or network, 2019.",
)
_LIMITS = (
    "Detection misses nodules and takes vessels for some; that none is listed does not mean that there is none.",
    "Sizes are those of automatic outlines. Thirds are of the lung's height and are no lobes.",
    "Risks by published models hold for the people that these were fitted to; a range is over what is not known.",
)


@dataclass(frozen=True)
class Picture:
    """A PNG with what it shows, and its width over its height."""

    png: bytes
    caption: str
    aspect: float


@dataclass(frozen=True)
class Report:
    """Everything that a report says.

    Parameters
    ----------
    warning
        What stands above all else; empty where there is nothing of that kind.
    headline
        The score with its name, and the suggested category.
    about
        Names and values: the patient and the scan.
    nodules
        Rows of `NODULE_COLUMNS`.
    notes
        Heading and sentences on each nodule, and on all.
    pictures, lungs
        Nodules in three planes; all places from the front.
    method
        Names and values: model, software, scan.
    limits
        Sentences.
    """

    warning: str
    headline: tuple[tuple[str, str], ...]
    about: tuple[tuple[str, str], ...]
    nodules: tuple[tuple[str, ...], ...]
    notes: tuple[tuple[str, tuple[str, ...]], ...]
    pictures: tuple[Picture, ...]
    lungs: Picture
    method: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    limits: tuple[str, ...]


def report_of(
    result: CaseResult,
    volume: CTVolume,
    nodule_labels: np.ndarray,
    identity: Mapping[str, str] | None = None,
    checksums: Mapping[str, str] | None = None,
) -> Report:
    """What the report of a case says.

    Parameters
    ----------
    nodule_labels
        (K, J, I) label map on the CT's own grid, label = rank.
    identity
        Names and values that tell who the patient is; None: the report does not tell.
    checksums
        SHA-256 of files by their names.

    Raises
    ------
    UsageError
        Where matplotlib is not installed, or what is known of the patient is damaged.
    """
    assessment = assess(result)
    reported = as_reported(replace(result, nodule_labels=nodule_labels))
    assert reported.nodule_labels is not None
    shown = [nodule for nodule in reported.nodules if nodule.is_reported]
    pictured = sorted(shown, key=_picture_order)[:_PICTURED]
    return Report(
        warning=_warning(result),
        headline=tuple(_headline(result, assessment)),
        about=(*(identity or {}).items(), *_about(result)),
        nodules=tuple(_row(nodule, assessment) for nodule in shown),
        notes=tuple(_notes(result, shown, assessment)),
        pictures=tuple(
            Picture(png, f"Nodule {nodule.rank}: axial, coronal, sagittal", 3.0)
            for nodule, png in zip(pictured, key_images(volume, reported.nodule_labels, pictured), strict=True)
        ),
        lungs=Picture(*lung_map(result, volume)),
        method=tuple(_method(result, volume, checksums or {})),
        warnings=result.warnings,
        limits=(OUTCOME_REMARKS[result.model["outcome"]], *_LIMITS, *_SOURCES),
    )


def _picture_order(nodule: Nodule) -> tuple[bool, float]:
    """Sorts what has an outline first, then as ranks do, the user's points by their scores among the others."""
    return nodule.volume_mm3 is None, -nodule.expected_malignancy


def place_of(nodule: Nodule) -> str:
    """Side and third, for people."""
    return ", ".join(part for part in (nodule.lung, f"{nodule.third} third" if nodule.third else "") if part) or "-"


def _size(nodule: Nodule) -> str:
    """Diameter of the sphere of its volume and longest axial one, or that of the detector's box."""
    if nodule.is_box:
        return f"≈ {nodule.diameter_mm:.0f} mm (not outlined)"
    if nodule.diameter_mm is None:
        return "-"
    return f"{nodule.diameter_mm:.1f} / {nodule.longest_axial_diameter_mm or 0:.1f} mm"


def _warning(result: CaseResult) -> str:
    if result.model["outcome"] == "none":
        return UNTRAINED_NOTICE
    return result.warnings[0] if result.unreliable and result.warnings else ""


def _headline(result: CaseResult, assessment: Assessment) -> Iterable[tuple[str, str]]:
    label = capitalised(result.score_label)
    overruling = f"{result.overruling}. " if result.overruling else ""
    yield f"{result.case.score:.2f}", f"{label}. {overruling}{OUTCOME_REMARKS[result.model['outcome']]}"
    if assessment.lung_rads:
        least, highest = assessment.lung_rads[0], assessment.lung_rads[-1]
        is_range = len(assessment.lung_rads) > 1
        if assessment.is_open:
            by_others = f"; may be {highest.name}: {highest.rule}" if is_range else ""
            about = f"{least.rule}{by_others}; other nodules have no category"
        else:
            about = f"{highest.rule}{f'; for {highest.name}' if is_range else ''}: {MANAGEMENT[highest.name]}"
        setting = "" if result.patient.get("setting") else "If this is a screening CT: "
        yield f"Lung-RADS {assessment.scan_category}", f"{setting}{about}. {DECIDES}"
    covered = [nodule for nodule in assessment.nodules if nodule.brock.high is not None]
    if covered:
        highest_risk = max(covered, key=lambda nodule: nodule.brock.high or 0.0)
        others = {nodule.rank for nodule in assessment.nodules} - {nodule.rank for nodule in covered}
        left_out = ", ".join(map(str, sorted({*others, *assessment.not_assessed})))
        risk = highest_risk.brock
        over = f"; over what is not known: {', '.join(risk.unknown)}" if risk.unknown else ""
        none = f"; none for no. {left_out}" if left_out else ""
        yield risk.text, f"{BROCK_NAME} of nodule {highest_risk.rank}, the highest of those it covers{none}{over}"


def _about(result: CaseResult) -> Iterable[tuple[str, str]]:
    patient = Patient.from_table(result.patient)
    age = "age not known" if patient.age_years is None else f"{patient.age_years:.0f} years"
    yield "Patient", f"{age}, {patient.sex or 'sex not known'}"
    words = {
        "family_history": "family history of lung cancer",
        "smoker": "smoker, now or before",
        "earlier_cancer": "cancer outside the chest over five years ago",
        "nodule_count": "nodules in the scan",
        "months_since_prior": "months since the earlier scan",
    }
    for name, value in result.patient.items():
        if name not in ("age_years", "sex", "nodules"):
            yield capitalised(words.get(name, name.replace("_", " "))), _told(value)
    lungs = [
        f"{side} {result.lungs[key] / 1000:.1f} L"
        for side, key in (
            ("left", "left_volume_ml"),
            ("right", "right_volume_ml"),
            ("side unknown", "unknown_side_volume_ml"),
        )
        if result.lungs.get(key)
    ]
    if lungs:
        share = result.lungs.get(EMPHYSEMA_SHARE)
        yield "Lungs", ", ".join(lungs) + ("" if share is None else f"; {100 * share:.1f} % below -950 HU, smoothed")


def _told(value: bool | float | str) -> str:
    """A fact for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"


def _row(nodule: Nodule, assessment: Assessment) -> tuple[str, ...]:
    found = assessment.of(nodule.rank)
    return (
        str(nodule.rank) + (" (your point)" if nodule.source == "user" else ""),
        place_of(nodule),
        nodule.type or "-",
        _size(nodule),
        "-" if nodule.volume_mm3 is None else f"{nodule.volume_mm3:.0f} mm³",
        "-" if nodule.malignancy is None else f"{nodule.malignancy:.2f}",
        found.brock.text if found else "-",
        category_text(found.lung_rads) if found else "-",
    )


def _notes(result: CaseResult, shown: list[Nodule], assessment: Assessment) -> Iterable[tuple[str, tuple[str, ...]]]:
    brock = _in_all(nodule.brock for nodule in assessment.nodules)
    mayo = _in_all(nodule.mayo for nodule in assessment.nodules if nodule.mayo)
    told = Patient.from_table(result.patient).nodules
    for rank in sorted({*(nodule.rank for nodule in assessment.nodules), *told}):
        found, facts = assessment.of(rank), told[rank].known if rank in told else {}
        said = ", ".join(f"{name.replace('_', ' ')} {_told(value)}" for name, value in facts.items())
        sentences = () if found is None else tuple(_sentences(found, brock, mayo))
        yield f"Nodule {rank}", (*sentences, *([f"Told of it: {said}."] if said else []))
    if not shown:
        yield "Nodules", ("No nodule was found that counts.",)
    models = (("Brock", brock), ("Mayo", mayo))
    ranges = tuple(f"{name} risks are ranges over {', '.join(common)}." for name, common in models if common)
    scores = f"Score: {result.nodule_score_name}. The case's: {result.joining[0].lower()}{result.joining[1:]}."
    by_network = [f"{n.rank}: {n.network_malignancy:.2f}" for n in shown if n.network_malignancy is not None]
    if by_network:
        scores += " Outlined diameter and calcification weigh in the nodules'; "
        scores += f"by the network alone {', '.join(by_network)}."
    yield "All", (scores, *ranges, *assessment.remarks)


def _in_all(risks: Iterable[Risk]) -> list[str]:
    """What all risks that are ranges are over."""
    unknown = [risk.unknown for risk in risks if risk.unknown]
    return [name for name in unknown[0] if all(name in each for each in unknown)] if unknown else []


def _over(risk: Risk, common: list[str]) -> str:
    """What a range is over besides what all are."""
    more = [name for name in risk.unknown if name not in common]
    return f", also over {', '.join(more)}" if more else ""


def _sentences(found: NoduleAssessment, brock: list[str], mayo: list[str]) -> Iterable[str]:
    if found.lung_rads:
        rules = "; or ".join(f"{category.name}: {category.rule}" for category in found.lung_rads)
        yield f"Lung-RADS {rules}."
    if found.fleischner:
        yield f"Fleischner: {'; '.join(f'{each.text} ({each.rule})' for each in found.fleischner)}."
    if found.brock.high is not None:
        yield f"Brock by {found.brock.model}{_over(found.brock, brock)}."
    if found.mayo is not None:
        yield f"{MAYO_NAME}: {found.mayo.text}{_over(found.mayo, mayo)}."
        yield from found.mayo.remarks
    yield from found.brock.remarks
    yield from found.remarks


def _method(result: CaseResult, volume: CTVolume, checksums: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    model, run = result.model, result.run
    yield "Software", f"LungCancerDx {result.software.get('version', __version__)}. {RESEARCH_USE_ONLY}"
    yield "Model", result.model_description
    yield "Its outcome", f"{model['outcome']}: the score is called {result.case.score_name}"
    yield "Its SHA-256", model["sha256"]
    yield "Computed on", ", ".join(f"{name} {value}" for name, value in run.items())
    if uid := result.input.get("series_uid"):
        yield "Series", str(uid)
    k, j, i = volume.shape_kji
    spacing = " x ".join(f"{size:.2f}" for size in volume.spacing_mm_kji)
    yield (
        "Scan",
        f"{k} x {j} x {i} voxels of {spacing} mm"
        + (f", kernel {volume.info['kernel']}" if volume.info.get("kernel") else ""),
    )
    for name, digest in checksums.items():
        yield f"SHA-256 of {name}", digest
