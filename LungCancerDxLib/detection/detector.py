"""Section IV as one call: a preprocessed scan to its nodule proposals."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import OutOfMemoryError
from ..networks.inference import prepare_for_inference
from ..networks.nnet import STRIDE, NNet
from ..preprocessing import WorkingScan
from ..preset import Preset
from ..runtime.device import Compute, Computed, is_out_of_memory, run_with_float32_fallback
from ..runtime.progress import Progress, part, silent
from .anchors import decode
from .location import location_scale
from .proposals import Proposals, suppress
from .whole_scan import slab_thickness, tiled_output, whole_scan_output

_FINE_SHARE = 8 / 9  # of the work: half the resolution is an eighth of the voxels


class Detected(NamedTuple):
    """The proposals, best first; messages for the user; how it was computed."""

    proposals: Proposals
    warnings: tuple[str, ...]
    compute: Compute


def detect(scan: WorkingScan, net: NNet, preset: Preset, compute: Compute, progress: Progress = silent) -> Detected:
    """The scan's proposals, best first, at most `preset.listed_nodules`.

    Where the preset has `coarse_from` they come from two levels of an image pyramid: boxes of that diameter and more
    also from the scan at half its resolution, where a mass of 60 mm, of which the network's patches showed hardly one,
    is one of 30 mm. The network is sure of such a mass there; of what else it boxes (heart, aorta, hilum) it is not, so
    boxes below `coarse_above_logit` are dropped. The levels share one non-maximum suppression.

    Memory that runs out halves the slab, then moves the work to the processor; the result stays the same.

    Raises
    ------
    OutOfMemoryError
        After every fallback.
    """
    fine_share = 1.0 if preset.coarse_from is None else _FINE_SHARE
    output, warnings, used = network_output(scan, net, preset, compute, part(progress, 0.0, fine_share))
    proposals = decode(output, preset.anchors_mm, preset.list_above_logit)
    if preset.coarse_from is not None:
        output, more, used = network_output(scan.halved(), net, preset, used, part(progress, fine_share, 1.0))
        coarse = decode(output, preset.anchors_mm, preset.coarse_above_logit).of_halved()
        proposals = proposals.joined(coarse[coarse.diameter >= preset.coarse_from])
        warnings += more
    if preset.inside_lungs_only:
        proposals = proposals[scan.inside_lungs(proposals.center_kji)]
    kept = suppress(proposals, preset.nms_iou, preset.listed_nodules, preset.voting_iou)
    return Detected(kept, warnings, used)


def network_output(
    scan: WorkingScan, net: NNet, preset: Preset, compute: Compute, progress: Progress = silent
) -> Computed:
    """N-Net's raw output over the scan, (Z', Y', X', anchors, 5) float32, by the preset's way through it.

    Raises
    ------
    ModelError
        Where the output is not finite, even in float32.
    OutOfMemoryError
    """
    return run_with_float32_fallback(lambda way: _within_memory(scan, net, preset, way, progress), compute, "detector")


def _within_memory(scan: WorkingScan, net: NNet, preset: Preset, compute: Compute, progress: Progress) -> Computed:
    location = location_scale(preset, scan.image.shape, scan.lung_ends_kji)
    slab = slab_thickness(scan.image.shape, compute.dtype, compute.available_gb)
    warnings: tuple[str, ...] = ()
    while True:
        try:
            ready = prepare_for_inference(net, preset, compute)
            if preset.tile_grid is not None:
                output = tiled_output(ready, scan.image, location, preset, compute, progress)
            else:
                output = whole_scan_output(ready, scan.image, location, preset, compute, slab, progress)
            return Computed(output, warnings, compute)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if preset.tile_grid is None and slab > STRIDE:
            slab = max(min(slab, scan.image.shape[-1]) // 2 // STRIDE * STRIDE, STRIDE)
        elif compute.device.type != "cpu":
            warnings = (f"The {compute.device.type} device ran out of memory; the detector ran on the processor.",)
            compute = compute.on_cpu()
            slab = slab_thickness(scan.image.shape, compute.dtype, compute.available_gb)
        else:
            raise OutOfMemoryError(
                "Not enough memory to run the detector, even in the thinnest slabs. Close other programs or use a "
                "machine with more memory."
            )
