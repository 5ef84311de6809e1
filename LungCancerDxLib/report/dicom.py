"""A case as DICOM objects that refer to the series it was made from: a segmentation, and a measurement report.

By highdicom. Segments are coded by SNOMED CT (lungs by side, nodules with the lung they lie in); thirds of a lung, for
which it has no codes, stand in the labels. Measurements follow TID 1500; what no standard names has codes of our own
(99LCDX), whose meanings say what it is.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..assessment.assess import Assessment, assess, with_told_types
from ..assessment.brock import BROCK_NAME
from ..case import CaseResult, Nodule
from ..errors import UsageError
from ..io.dicom.source import source_datasets
from ..io.dicom.writer import derived_uid
from ..io.result_folder import DICOM_FILES
from ..names import LEFT, RESEARCH_USE_ONLY, RIGHT, SIDES, UNKNOWN_SIDE
from ..runtime.atomic import atomic_file
from ..volume import CTVolume, index_to_world

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAKER = "LungCancerDx"
_OWN = "99LCDX"
_SEGMENTATION_SERIES, _REPORT_SERIES = 7101, 7102
_MAY_LACK = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"),
    *("StudyDate", "StudyTime"),
)
"""What the headers of anonymised series often lack, and objects that refer to them have to hold, if empty."""
_CT_IMAGES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")

_LUNG_CODES = {
    LEFT: ("44029006", "Left lung"),
    RIGHT: ("3341006", "Right lung"),
    UNKNOWN_SIDE: ("39607008", "Lung"),
}
_NODULE_CODE = ("27925004", "Nodule")
_SCORE_CODES = {"clinical": "CLINICAL", "readers": "READERS", "synthetic": "SIMULATED", "none": "UNTRAINED"}
"""A score by what the model was trained on: whoever goes by codes does not take a suspicion for a probability."""

_CATEGORY_CODES = {
    False: ("91723000", "Anatomical Structure"),
    True: ("49755003", "Morphologically Abnormal Structure"),
}
"""Of lungs and of nodules."""


@dataclass(frozen=True)
class _Segment:
    """A segment to be written: its mask is where `labels` equals `label`."""

    name: str
    labels: np.ndarray
    label: int
    nodule: Nodule | None


def save_dicom(result: CaseResult, volume: CTVolume, ct: Path, folder: Path) -> tuple[Path, Path]:
    """Write `segmentation.dcm` and `measurements.dcm` into a folder, each whole or not at all.

    In them are the lungs and the nodules that count or that the user set; without an outline a nodule has measurements
    alone.

    Parameters
    ----------
    result
        With its label maps.
    ct
        The DICOM folder or multi-frame file of the scan.

    Raises
    ------
    UsageError
        Where highdicom is not installed, the series is not there, or its headers do not allow objects that refer to it.
    OutputError
        Where a file cannot be written.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError:
        raise UsageError("DICOM objects need highdicom: pip install 'lungcancerdx[dicom]'.") from None
    source = _source_images(ct, result.input.get("series_uid"), volume)
    result = with_told_types(result)
    segments = list(_segments(result))
    digest = derived_uid(result.to_json(), *(_sha256(segment.labels == segment.label) for segment in segments))
    paths = folder / DICOM_FILES[0], folder / DICOM_FILES[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what highdicom says of the patient's name in the series
        try:
            segmentation = _segmentation(source, volume, segments, digest) if segments else None
            report = _measurement_report(source, result, segments, segmentation, digest)
        except (ValueError, TypeError, AttributeError) as error:  # how highdicom refuses headers
            raise UsageError(f"{ct}: no DICOM objects can refer to this series; its headers: {error}") from error
    for dataset, path in ((segmentation, paths[0]), (report, paths[1])):
        if dataset is not None:
            with atomic_file(path) as staging:
                dataset.save_as(staging)
    return paths


def _sha256(mask: np.ndarray) -> str:
    return hashlib.sha256(np.packbits(mask).data).hexdigest()


def _source_images(ct: Path, series_uid: str | None, volume: CTVolume) -> list[Dataset]:
    """The headers of the series' images on the grid of the volume, with all that objects that refer to them repeat."""
    images = [
        each
        for each in source_datasets(ct, series_uid)
        if each.SOPClassUID in _CT_IMAGES and (each.Rows, each.Columns) == volume.shape_kji[1:]
    ]
    if not images:
        raise UsageError(f"{ct}: the series holds no CT images that DICOM objects could refer to.")
    for image in images:
        for keyword in _MAY_LACK:
            if keyword not in image:
                setattr(image, keyword, "")
        if not image.get("FrameOfReferenceUID"):
            image.FrameOfReferenceUID = derived_uid(image.SeriesInstanceUID, "frame of reference")
    return images


def _shown(result: CaseResult) -> list[Nodule]:
    return [nodule for nodule in result.nodules if nodule.is_reported]


def _segments(result: CaseResult) -> Iterator[_Segment]:
    """Lungs and nodules that have voxels."""
    if result.lung_labels is not None:
        for label, (_, name) in _LUNG_CODES.items():
            if (result.lung_labels == label).any():
                yield _Segment(name, result.lung_labels, label, None)
    if result.nodule_labels is not None:
        for nodule in _shown(result):
            if (result.nodule_labels == nodule.rank).any():
                place = ", ".join(filter(None, [nodule.lung, f"{nodule.third} third" if nodule.third else ""]))
                name = f"Nodule {nodule.rank}: {nodule.type or 'type unknown'}, {place}"
                yield _Segment(name[:64], result.nodule_labels, nodule.rank, nodule)


def _segmentation(source: Sequence[Dataset], volume: CTVolume, segments: Sequence[_Segment], digest: str) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    algorithm = hd.AlgorithmIdentificationSequence(
        name=MAKER, version=__version__, family=codes.DCM.ArtificialIntelligence
    )
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=segment.name,
            segmented_property_category=_sct(*_CATEGORY_CODES[segment.nodule is not None]),
            segmented_property_type=_sct(*(_NODULE_CODE if segment.nodule else _LUNG_CODES[segment.label])),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=_tracking_uid(source, segment),
            tracking_id=segment.name.partition(":")[0],
            anatomic_regions=None if segment.nodule is None else [_site(segment.nodule)],
        )
        for number, segment in enumerate(segments, start=1)
    ]
    planes = np.flatnonzero(
        np.any([(segment.labels == segment.label).any(axis=(1, 2)) for segment in segments], axis=0)
    )
    masks = np.zeros((len(planes), *volume.shape_kji[1:], len(segments)), dtype=np.uint8)
    for n, segment in enumerate(segments):
        masks[..., n] = segment.labels[planes] == segment.label
    spacing = volume.spacing_mm_kji
    directions = volume.kji_to_lps[:3, :3] / spacing
    corners = index_to_world(volume.kji_to_lps, np.outer(planes, (1, 0, 0)))
    patient = hd.CoordinateSystemNames.PATIENT
    return hd.seg.Segmentation(
        source_images=list(source),
        pixel_array=masks,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=derived_uid(digest, "segmentation series"),
        series_number=_SEGMENTATION_SERIES,
        sop_instance_uid=derived_uid(digest, "segmentation"),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=__version__,
        device_serial_number="0",
        content_label="LUNGS_NODULES",
        content_description="Lungs and lung nodules, research use only",
        series_description="Lungs and nodules (LungCancerDx, research use only)",
        pixel_measures=hd.PixelMeasuresSequence(
            pixel_spacing=spacing[1:].tolist(),
            slice_thickness=float(spacing[0]),
            spacing_between_slices=float(spacing[0]),
        ),
        plane_orientation=hd.PlaneOrientationSequence(
            patient, [*directions[:, 2].tolist(), *directions[:, 1].tolist()]
        ),
        plane_positions=[hd.PlanePositionSequence(patient, corner.tolist()) for corner in corners],
        omit_empty_frames=True,
    )


def _measurement_report(
    source: Sequence[Dataset], result: CaseResult, segments: Sequence[_Segment], segmentation: Any, digest: str
) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    assessment = assess(result)
    number_of = {segment.nodule.rank: n for n, segment in enumerate(segments, start=1) if segment.nodule is not None}
    groups: list[Any] = [_case_group(source, result, assessment)]
    for nodule in _shown(result):
        about = {
            "tracking_identifier": hd.sr.TrackingIdentifier(_nodule_uid(source, nodule), f"Nodule {nodule.rank}"),
            "finding_type": _sct(*_NODULE_CODE),
            "finding_sites": [hd.sr.FindingSite(anatomic_location=_site(nodule))],
            "measurements": [each for each in _measurements(nodule, result, assessment) if each is not None],
            "qualitative_evaluations": list(_evaluations(nodule, assessment)),
        }
        number = number_of.get(nodule.rank)
        if number is None:
            groups.append(hd.sr.MeasurementsAndQualitativeEvaluations(**about))
        else:
            segment = hd.sr.ReferencedSegment.from_segmentation(segmentation, number)
            groups.append(hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=segment, **about))
    device = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=derived_uid(MAKER, "device"), name=MAKER, manufacturer_name=MAKER, model_name=MAKER
        ),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=device),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[*source, *([segmentation] if segmentation is not None else [])],
        content=content[0],
        series_instance_uid=derived_uid(digest, "report series"),
        series_number=_REPORT_SERIES,
        sop_instance_uid=derived_uid(digest, "report"),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        institution_name=None,
        series_description="Lung nodule measurements (LungCancerDx, research use only)",
    )


def _case_group(source: Sequence[Dataset], result: CaseResult, assessment: Assessment) -> Any:
    """The case's score, the model's own beside it where the user overruled that, and the scan's category."""
    import highdicom as hd

    uid, outcome = derived_uid(source[0].SeriesInstanceUID, "case"), result.model["outcome"]
    score = _own(f"CASE_{_SCORE_CODES[outcome]}", f"Case, by an AI model: {result.case.score_name}")
    by_model, own_choice = result.by_model, _own("CASE_BY_MODEL", "Case, of the nodules that the model counted")
    intended = hd.sr.QualitativeEvaluation(_own("INTENDED_USE", "Intended use"), _own("RESEARCH", RESEARCH_USE_ONLY))
    chosen = _own("COUNTED", "Which nodules count"), _own("OVERRULED", "Chosen by the user, not by the model")
    reliable = _own("RELIABLE", "Reliability of the score"), _own("NOT_RELIABLE", "Not reliable on this scan")
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid, "Case"),
        finding_type=_sct(*_LUNG_CODES[UNKNOWN_SIDE]),
        measurements=[
            _measurement(score, result.case.score, "1", "no units"),
            *([_measurement(own_choice, by_model.case.score, "1", "no units")] if by_model else []),
        ],
        qualitative_evaluations=[
            intended,
            *([hd.sr.QualitativeEvaluation(*reliable)] if result.unreliable else []),
            *([hd.sr.QualitativeEvaluation(*chosen)] if by_model else []),
            *_categories(assessment.lung_rads, assessment.is_open),
        ],
    )


def _measurements(nodule: Nodule, result: CaseResult, assessment: Assessment) -> Iterator[Any]:
    from pydicom.sr.codedict import codes

    if nodule.volume_mm3 is not None:
        yield _measurement(codes.SCT.Volume, nodule.volume_mm3, "mm3", "cubic millimeter")
        yield _measurement(_own("MEAN_DIAMETER", "Diameter of the ball of this volume"), nodule.diameter_mm, "mm", "mm")
        yield _measurement(_own("BOX_DIAMETER", "Diameter of the detector's box"), nodule.box_diameter_mm, "mm", "mm")
    else:
        yield _measurement(_own("BOX_DIAMETER", "Diameter of the detector's box"), nodule.diameter_mm, "mm", "mm")
    yield _measurement(_own("LONGEST_AXIAL", "Longest axial diameter"), nodule.longest_axial_diameter_mm, "mm", "mm")
    yield _measurement(_own("MEAN_HU", "Mean attenuation"), nodule.mean_hu, "[hnsf'U]", "Hounsfield unit")
    yield _measurement(_own("DETECTION", "Confidence of detection"), nodule.confidence, "1", "no units")
    score = _own(
        f"NODULE_{_SCORE_CODES[result.model['outcome']]}", f"Nodule, by an AI model: {result.nodule_score_name}"
    )
    yield _measurement(score, nodule.malignancy, "1", "no units")
    found = assessment.of(nodule.rank)
    if found is not None and found.brock.low is not None and found.brock.high is not None:
        for code, which, value in (("LOW", "least", found.brock.low), ("HIGH", "most", found.brock.high)):
            yield _measurement(_own(f"BROCK_{code}", f"{BROCK_NAME}, at {which}"), 100 * value, "%", "percent")


def _evaluations(nodule: Nodule, assessment: Assessment) -> Iterator[Any]:
    import highdicom as hd

    if nodule.type:
        value = _own(nodule.type.upper().replace("-", "_"), nodule.type)
        yield hd.sr.QualitativeEvaluation(_own("NODULE_TYPE", "Type of nodule by attenuation"), value)
    if nodule.third:
        value = _own(f"{nodule.third.upper()}_THIRD", f"{nodule.third} third")
        yield hd.sr.QualitativeEvaluation(_own("LUNG_THIRD", "Third of the lung's height"), value)
    found = assessment.of(nodule.rank)
    if found is not None:
        yield from _categories(found.lung_rads)


def _categories(categories: Sequence[Any], is_open: bool = False) -> Iterator[Any]:
    """The categories that are possible, the least and, unless there may be a higher one, the most."""
    import highdicom as hd

    names = [category.name for category in categories]
    if names and names[0] == names[-1] and not is_open:
        name = _own("LUNG_RADS", "Lung-RADS v2022 category suggested by measurements")
        yield hd.sr.QualitativeEvaluation(name, _category(names[0]))
        return
    bounds = list(zip(("LEAST", "MOST"), names[:1] + names[-1:], strict=False))
    for which, value in bounds[:1] if is_open else bounds:
        name = _own(f"LUNG_RADS_{which}", f"Lung-RADS v2022 category, at {which.lower()}, suggested by measurements")
        yield hd.sr.QualitativeEvaluation(name, _category(value))


def _measurement(name: Any, value: float | None, unit: str, meaning: str) -> Any:
    """A measurement; None where there is no value."""
    import highdicom as hd
    from pydicom.sr.coding import Code

    return None if value is None else hd.sr.Measurement(name, float(f"{value:.6g}"), Code(unit, "UCUM", meaning))


def _category(name: str) -> Any:
    return _own(f"LUNG_RADS_{name}", f"Lung-RADS {name}")


def _site(nodule: Nodule) -> Any:
    label = next((label for label, side in SIDES.items() if side == nodule.side), UNKNOWN_SIDE)
    return _sct(*_LUNG_CODES[label])


def _sct(value: str, meaning: str) -> Any:
    from pydicom.sr.coding import Code

    return Code(value, "SCT", meaning)


def _own(value: str, meaning: str) -> Any:
    from pydicom.sr.coding import Code

    return Code(value[:16], _OWN, meaning[:64])


def _nodule_uid(source: Sequence[Dataset], nodule: Nodule) -> str:
    return derived_uid(source[0].SeriesInstanceUID, "nodule", nodule.rank, nodule.center_lps_mm)


def _tracking_uid(source: Sequence[Dataset], segment: _Segment) -> str:
    if segment.nodule is not None:
        return _nodule_uid(source, segment.nodule)
    return derived_uid(source[0].SeriesInstanceUID, segment.name)
