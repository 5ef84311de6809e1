"""A case as DICOM objects that refer to the series it was made from: a segmentation, and a measurement report.

By highdicom. Segments are coded by SNOMED CT (lungs by side, nodules with the lung they lie in); thirds of a lung, for
which it has no codes, stand in the labels. Measurements follow TID 1500.
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
from ..assessment.assess import assess
from ..assessment.reported import as_reported
from ..case import CaseResult, Nodule
from ..errors import UsageError
from ..io.dicom.source import source_datasets
from ..io.dicom.writer import derived_uid
from ..io.result_folder import DICOM_FILES
from ..runtime.atomic import atomic_file
from ..volume import CTVolume, index_to_world
from .dicom_content import CATEGORY_CODES, LUNG_CODES, NODULE_CODE, case_group, evaluations, measurements, sct, site

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAKER = "LungCancerDx"
_SEGMENTATION_SERIES, _REPORT_SERIES = 7101, 7102
_MAY_LACK = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"),
    *("StudyDate", "StudyTime"),
)
"""What the headers of anonymised series often lack, and objects that refer to them have to hold, if empty."""
_CT_IMAGES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")


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
    result = as_reported(result)
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
        for label, (_, name) in LUNG_CODES.items():
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
            segmented_property_category=sct(*CATEGORY_CODES[segment.nodule is not None]),
            segmented_property_type=sct(*(NODULE_CODE if segment.nodule else LUNG_CODES[segment.label])),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=_tracking_uid(source, segment),
            tracking_id=segment.name.partition(":")[0],
            anatomic_regions=None if segment.nodule is None else [site(segment.nodule)],
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
    case_uid = derived_uid(source[0].SeriesInstanceUID, "case")
    groups: list[Any] = [case_group(case_uid, result, assessment)]
    for nodule in _shown(result):
        about = {
            "tracking_identifier": hd.sr.TrackingIdentifier(_nodule_uid(source, nodule), f"Nodule {nodule.rank}"),
            "finding_type": sct(*NODULE_CODE),
            "finding_sites": [hd.sr.FindingSite(anatomic_location=site(nodule))],
            "measurements": [each for each in measurements(nodule, result, assessment) if each is not None],
            "qualitative_evaluations": list(evaluations(nodule, assessment)),
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


def _nodule_uid(source: Sequence[Dataset], nodule: Nodule) -> str:
    return derived_uid(source[0].SeriesInstanceUID, "nodule", nodule.rank, nodule.center_lps_mm)


def _tracking_uid(source: Sequence[Dataset], segment: _Segment) -> str:
    if segment.nodule is not None:
        return _nodule_uid(source, segment.nodule)
    return derived_uid(source[0].SeriesInstanceUID, segment.name)
