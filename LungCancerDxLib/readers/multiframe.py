"""Multi-frame files (Enhanced CT): each frame's place, size and rescale from the functional groups."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from .slice_header import (
    NotACTSlice,
    SliceHeader,
    directions,
    number,
    numbers,
    pixel_size,
    series_of,
    texts,
    whole,
)


def frame_slices(dataset: Dataset, path: Path) -> list[SliceHeader]:
    """The headers of all frames but localizers, in file order.

    The decoder (GDCM) applies the rescale of the first frame to all; `to_hu` turns that into the frame's own.
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if len(per_frame) != int(dataset.get("NumberOfFrames") or 1):
        raise NotACTSlice("multi-frame images without a position for each frame")
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    frames = [_Groups(own, shared) for own in per_frame]
    slices = [_frame_slice(dataset, path, n, frame, frames[0]) for n, frame in enumerate(frames)]
    return [s for s, frame in zip(slices, frames, strict=True) if not frame.is_localizer]


class _Groups:
    """The functional groups of one frame: its own first, else those shared by all frames."""

    def __init__(self, own: Dataset, shared: Dataset) -> None:
        self._own, self._shared = own, shared

    def group(self, name: str) -> Dataset:
        items = self._own.get(name) or self._shared.get(name) or [Dataset()]
        return items[0]

    @property
    def is_localizer(self) -> bool:
        return "LOCALIZER" in texts(self.group("CTImageFrameTypeSequence").get("FrameType"))

    @property
    def rescale(self) -> tuple[float, float]:
        """Slope and intercept."""
        group = self.group("PixelValueTransformationSequence")
        return number(group.get("RescaleSlope")) or 1.0, number(group.get("RescaleIntercept")) or 0.0


def _frame_slice(dataset: Dataset, path: Path, n: int, frame: _Groups, first: _Groups) -> SliceHeader:
    content = frame.group("FrameContentSequence")
    measures = frame.group("PixelMeasuresSequence")
    kernel = frame.group("CTReconstructionSequence").get("ConvolutionKernel")
    series = series_of(dataset, kernel=kernel, slice_thickness=measures.get("SliceThickness"))
    (slope, intercept), (first_slope, first_intercept) = frame.rescale, first.rescale
    gain = slope / first_slope
    return SliceHeader(
        path=path,
        series=series,
        position_lps_mm=numbers(frame.group("PlanePositionSequence").get("ImagePositionPatient"), 3),
        orientation=directions(frame.group("PlaneOrientationSequence").get("ImageOrientationPatient")),
        pixel_mm=pixel_size(measures.get("PixelSpacing")),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        frame=n,
        stack=str(content.get("StackID", "")),
        acquisition=whole(content.get("FrameAcquisitionNumber")),
        temporal=whole(content.get("TemporalPositionIndex")),
        instance=n + 1,
        to_hu=(gain, intercept - gain * first_intercept),
    )
