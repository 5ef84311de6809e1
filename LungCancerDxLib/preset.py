"""Every constant of the method, in one place, in three versions.

`PAPER` follows the words of Liao et al. (arXiv 1711.08324), `GRT123` the code its authors published in 2017, and
`DEFAULT` is `PAPER` with exact whole-scan inference, large boxes looked for at half the resolution as well, blanks
ignored, proposals centred outside the dilated lung mask dropped, centres voted on by overlapping boxes, crops
classified together with shifted ones and the mirror images of both, and weights that are the same numbers in every
precision. A model bundle names its preset, so that weights never meet foreign preprocessing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class TileGrid:
    """A published way to cut a scan into parts (IV-G): cores of `core` voxels, each seen with `margin` on all sides.

    `padding` says what lies beyond the scan: its own edge voxels repeated, or the tissue value.
    """

    core: int
    margin: int
    padding: Literal["edge", "tissue"]


@dataclass(frozen=True)
class Preset:
    """The constants on which the paper, the 2017 code and our default agree or differ.

    Lengths are voxels of the 1 mm working grid unless the name says otherwise; grey values are the uint8 of III-B.3.
    """

    name: str

    # Lung mask (III-B.1)
    gaussian_sigma_px: float = 1.0
    gaussian_truncate: float = 2.0
    air_below_hu: float = -600.0
    circle_is_background: bool = False  # the published code blanks what lies outside a circular field of view
    min_area_mm2: float = 30.0
    max_eccentricity: float = 0.99
    volume_range_l: tuple[float, float] = (0.68, 7.5)
    big_slice_area_mm2: float = 6000.0
    max_central_distance_mm: float = 62.0
    top_slices_per_cut: int = 2
    recover_lost_lungs: bool = True  # ours, in no text: lungs that the published rules drop come back, with a warning

    # Two lungs, hull, dilation (III-B.2)
    max_split_erosions: int = 22  # components are looked at before each of them
    max_split_ratio: float = 4.8  # the 2017 code's Python 2 division makes this 5
    slice_cover: float = 0.95
    max_hull_ratio: float = 1.5
    dilation: Literal["ball of the working grid", "cross of the CT grid"] = "ball of the working grid"
    dilation_voxels: int = 10

    # Intensity, working grid, crop (III-B.3)
    window_hu: tuple[float, float] = (-1200.0, 600.0)
    tissue_value: int = 170
    bone_value: int = 210
    working_spacing_mm: float = 1.0
    working_grid: Literal["exact", "corner aligned"] = "exact"
    crop_margin_low: int = 10
    crop_margin_high: int = 10

    # N-Net (IV-B, IV-C)
    units_per_block: tuple[int, int, int, int] = (3, 3, 3, 3)
    units_per_back_block: int = 3
    anchors_mm: tuple[float, float, float] = (10.0, 30.0, 60.0)
    location: Literal["lung ends -1 to 1", "image ends -0.5 to 0.5"] = "lung ends -1 to 1"
    detector_dropout: float = 0.0
    tile_grid: TileGrid | None = None  # None: the whole scan in one exact pass
    coarse_from: float | None = None  # ours: larger boxes are also looked for at half the resolution; None: are not
    coarse_above_logit: float = 3.0  # boxes of that level with less are dropped: masses have 4 to 15, most hearts less
    inside_lungs_only: bool = False
    list_above_logit: float = -3.0
    nms_iou: float = 0.05
    voting_iou: float | None = None  # ours: boxes that overlap a listed one this much vote on its centre; None: no vote
    listed_nodules: int = 20
    inference_weights: Literal["float32", "bfloat16"] = "float32"  # of all but C-Net's last layers; norms folded

    # C-Net (V)
    scored_nodules: int = 5
    score_above_logit: float = -1.0
    crop_size: int = 96
    crop_start: Literal["nearest", "truncated"] = "nearest"  # of (centre - half the crop), to a whole voxel
    crop_padding: int = 170
    classifier_input: Literal["normalised", "raw"] = "normalised"
    classifier_dropout: float = 0.0
    initial_leak_logit: float = -4.6
    blanks_scored: bool = True
    shifted_crops: bool = (
        False  # ours: a nodule's features are the mean of those of its crop and one half a stride aside
    )
    mirrored_crops: bool = False  # ours: and over the same crops in the mirrored patient


PAPER = Preset(name="PAPER", tile_grid=TileGrid(core=176, margin=16, padding="tissue"))

GRT123 = Preset(
    name="GRT123",
    circle_is_background=True,
    recover_lost_lungs=False,
    max_split_ratio=5.0,
    max_hull_ratio=2.0,
    dilation="cross of the CT grid",
    working_grid="corner aligned",
    crop_margin_low=5,
    units_per_block=(2, 2, 3, 3),
    location="image ends -0.5 to 0.5",
    detector_dropout=0.2,
    tile_grid=TileGrid(core=144, margin=32, padding="edge"),
    crop_start="truncated",
    crop_padding=160,
    classifier_input="raw",
    classifier_dropout=0.5,
    initial_leak_logit=-30.0,
)

DEFAULT = replace(
    PAPER,
    name="DEFAULT",
    tile_grid=None,
    coarse_from=40.0,
    inside_lungs_only=True,
    voting_iou=0.3,
    inference_weights="bfloat16",
    blanks_scored=False,
    shifted_crops=True,
    mirrored_crops=True,
)

PRESETS = {preset.name: preset for preset in (PAPER, GRT123, DEFAULT)}
