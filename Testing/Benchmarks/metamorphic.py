"""One synthetic patient scored in many guises that must not matter: `python -m Testing.Benchmarks.metamorphic`.

What only stores the same scan in another way may move the score by 0.02, what samples it anew by 0.05; slices so thick
that the score is unreliable must be warned of. The patient is `phantom case --seed S`; every row of the table names the
guise, the score, how far it is from the reference, and the nodule that was ranked first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LungCancerDxLib import CaseResult, CTVolume, detect_and_score, find_model
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.phantom.case import synthetic_case
from LungCancerDxLib.runtime.device import choose_compute
from Testing.helpers import affine, reoriented, rotated, rotation

SPACING_MM_KJI = (2.5, 1.2, 1.2)
AIR_HU = -1000
STORED, SAMPLED, THICK = "stored", "sampled", "thick"
ALLOWED = {STORED: 0.02, SAMPLED: 0.05}


@dataclass(frozen=True)
class Guise:
    """A way to show the patient: how far its score may lie from the reference's follows from its `kind`."""

    name: str
    kind: str
    make: Callable[[], CTVolume]


def guises(seed: int, index: int, lungs: np.ndarray, ct: CTVolume) -> Iterator[Guise]:
    """All guises of a patient whose reference scan is `ct` with the lung labels `lungs` (K, J, I)."""

    def drawn(*spacing_mm_kji: float) -> Callable[[], CTVolume]:
        return lambda: synthetic_case(seed, index, spacing_mm_kji=spacing_mm_kji).patient.volume

    yield Guise("axes permuted and flipped", STORED, lambda: reoriented(ct, (2, 0, 1), (True, False, True)))
    yield Guise("stored as float64", STORED, lambda: stored(ct, sitk.sitkFloat64))
    yield Guise("padded with air", STORED, lambda: padded(ct, ((0, 0), (40, 40), (40, 40))))
    yield Guise("off-centre", STORED, lambda: padded(ct, ((0, 0), (0, 60), (80, 0))))
    yield Guise("cropped to the lungs", STORED, lambda: cropped(ct, lungs > 0, 6))
    yield Guise("shifted by half a voxel", SAMPLED, lambda: resampled(ct, shift_voxels=0.5))
    yield Guise("mirrored", SAMPLED, lambda: replace(ct, voxels=np.ascontiguousarray(ct.voxels[:, :, ::-1])))
    yield Guise("turned by 10 degrees", SAMPLED, lambda: rotated(ct, rotation(10, (0, 0, 1))))
    yield Guise("resampled to 0.6 mm in plane", SAMPLED, lambda: resampled(ct, (2.5, 0.6, 0.6)))
    yield Guise("resampled to slices of 1.2 mm", SAMPLED, lambda: resampled(ct, (1.2, 1.2, 1.2)))
    yield Guise("drawn at 0.5 x 0.7 mm", SAMPLED, drawn(2.5, 0.5, 0.7))
    yield Guise("slices of 5 mm", THICK, drawn(5.0, 1.2, 1.2))
    yield Guise("slices of 8 mm", THICK, drawn(8.0, 1.2, 1.2))


def stored(ct: CTVolume, pixel_type: int) -> CTVolume:
    """The scan as a file of another pixel type gives it back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ct.nrrd"
        write_volume(ct, path)
        sitk.WriteImage(sitk.Cast(sitk.ReadImage(str(path)), pixel_type), str(path))
        return read_ct(path)


def padded(ct: CTVolume, width: Sequence[tuple[int, int]]) -> CTVolume:
    """The scan with air around it."""
    before = np.array([low for low, _ in width])
    origin = ct.kji_to_lps[:3, 3] - ct.kji_to_lps[:3, :3] @ before
    voxels = np.pad(ct.voxels, width, constant_values=AIR_HU)
    return replace(ct, voxels=voxels, kji_to_lps=affine(ct.kji_to_lps[:3, :3], origin))


def cropped(ct: CTVolume, mask: np.ndarray, margin: int) -> CTVolume:
    """The scan's part around a mask."""
    found = np.argwhere(mask)
    low = np.maximum(found.min(axis=0) - margin, 0)
    high = np.minimum(found.max(axis=0) + margin + 1, mask.shape)
    voxels = ct.voxels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    origin = ct.kji_to_lps[:3, 3] + ct.kji_to_lps[:3, :3] @ low
    return replace(ct, voxels=np.ascontiguousarray(voxels), kji_to_lps=affine(ct.kji_to_lps[:3, :3], origin))


def resampled(ct: CTVolume, spacing_mm_kji: Sequence[float] | None = None, shift_voxels: float = 0.0) -> CTVolume:
    """The scan on another grid on the same axes, by splines of the third order."""
    spacing = np.asarray(spacing_mm_kji or ct.spacing_mm_kji)
    image = sitk.GetImageFromArray(ct.voxels.astype(np.float32))
    scale = spacing / ct.spacing_mm_kji
    shape = np.floor((np.array(ct.shape_kji) - 1 - shift_voxels) / scale + 1).astype(int)
    grid = sitk.Transform(3, sitk.sitkIdentity)
    size, step, start = shape[::-1].tolist(), scale[::-1].tolist(), [shift_voxels] * 3
    moved = sitk.Resample(image, size, grid, sitk.sitkBSpline3, start, step, np.eye(3).ravel().tolist(), AIR_HU)
    matrix = ct.kji_to_lps[:3, :3]
    voxels = np.rint(sitk.GetArrayFromImage(moved)).clip(-1024, 3071).astype(np.int16)
    return replace(
        ct, voxels=voxels, kji_to_lps=affine(matrix * scale, ct.kji_to_lps[:3, 3] + matrix @ np.full(3, shift_voxels))
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Score every guise and print the table; ends with 1 where one is outside what is allowed."""
    parser = argparse.ArgumentParser(prog="python -m Testing.Benchmarks.metamorphic", description=__doc__)
    parser.add_argument("--model", help="a model's name or folder (default: the default model)")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--index", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to a file too")
    parsed = parser.parse_args(arguments)
    model = find_model(parsed.model)
    compute = choose_compute(preset=model.preset)
    patient = synthetic_case(parsed.seed, parsed.index, spacing_mm_kji=SPACING_MM_KJI).patient
    reference = detect_and_score(patient.volume, model, compute)
    print(f"{'reference':<32} {_row(reference)}")
    rows, failed = [], 0
    for guise in guises(parsed.seed, parsed.index, patient.lungs, patient.volume):
        result = detect_and_score(guise.make(), model, compute)
        difference = result.case.score - reference.case.score
        if guise.kind == THICK:
            good = any("reliable" in warning for warning in result.warnings)
            verdict = "warned of" if good else "NOT WARNED OF"
        else:
            good = abs(difference) <= ALLOWED[guise.kind]
            verdict = f"{difference:+.3f} of {ALLOWED[guise.kind]}{'' if good else '  TOO FAR'}"
        failed += not good
        rows.append({"guise": guise.name, "kind": guise.kind, "score": result.case.score, "good": good})
        print(f"{guise.name:<32} {_row(result)}  {verdict}", flush=True)
    if parsed.json is not None:
        parsed.json.write_text(json.dumps({"reference": reference.case.score, "guises": rows}, indent=2) + "\n")
    raise SystemExit(failed > 0)


def _row(result: CaseResult) -> str:
    scored = [nodule for nodule in result.nodules if nodule.scored]
    first = max(scored, key=lambda nodule: nodule.malignancy or 0.0, default=None)
    if first is None:
        return f"{result.case.score:.3f}  no nodule"
    at = " ".join(f"{x:6.1f}" for x in first.center_lps_mm)
    return f"{result.case.score:.3f}  {len(scored)} scored, first {first.malignancy:.3f} at {at}"


if __name__ == "__main__":
    main()
