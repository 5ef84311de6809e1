"""The preprocessing beside its oracle at full resolution: `python -m Testing.Oracles.compare [--preset NAME] CT ...`.

Minutes a scan, so a command and no test. Our recovery of lost lungs, which the oracle does not have, is switched off.
"""

import argparse
import time
from dataclasses import replace

from LungCancerDxLib.io import read_ct
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preset import PRESETS
from Testing.Oracles import preprocessing as oracle


def compare(path: str, preset_name: str) -> str:
    """One line: times, Dice of the lungs and of the dilated mask's crop, share of identical grey values."""
    preset = replace(PRESETS[preset_name], recover_lost_lungs=False)
    volume = read_ct(path).canonical()
    start = time.perf_counter()
    ours = preprocess(volume, preset)
    between = time.perf_counter()
    plain = oracle.preprocess(volume.voxels, volume.spacing_mm_kji, preset)
    end = time.perf_counter()
    a, b = ours.lungs.labels > 0, plain["lung_a"] | plain["lung_b"]
    dice = 2 * (a & b).sum() / (a.sum() + b.sum())
    same_shape = ours.working.image.shape == plain["cropped"].shape
    identical = f"{(ours.working.image == plain['cropped']).mean():.7f}" if same_shape else "-"
    return (
        f"{path} {preset_name}: crop {ours.working.image.shape} and {plain['cropped'].shape}, lungs Dice {dice:.7f}, "
        f"identical grey values {identical}; {between - start:.1f} s and {end - between:.1f} s, ratio "
        f"{(end - between) / (between - start):.1f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ct", nargs="+")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="GRT123")
    arguments = parser.parse_args()
    for ct in arguments.ct:
        print(compare(ct, arguments.preset), flush=True)
