"""Small tables and detections made by hand or at random."""

from dataclasses import replace

import numpy as np

from LungCancerDxLib.evaluation.detections import Detections


def detections(scans, marks=(), nodules=(), excluded=(), malignancy=None):
    """Of marks (scan, x, y, z, score, diameter) and findings (scan, x, y, z, diameter)."""
    m = np.array(marks, dtype=float).reshape(-1, 6)
    f = np.array([*nodules, *excluded], dtype=float).reshape(-1, 5)
    return Detections(
        scans,
        m[:, 0].astype(int),
        m[:, 1:4],
        m[:, 4],
        m[:, 5],
        f[:, 0].astype(int),
        f[:, 1:4],
        np.where(f[:, 4] < 0, 10.0, f[:, 4]),
        np.arange(len(f)) < len(nodules),
        np.full(len(f), np.nan) if malignancy is None else np.array(malignancy, dtype=float),
    )


def along_x(scan, x, score, diameter=10.0):
    """A mark on the x axis."""
    return (scan, x, 0.0, 0.0, score, diameter)


def nodule_at(scan, x, diameter=10.0):
    """A finding on the x axis."""
    return (scan, x, 0.0, 0.0, diameter)


def random_rows(rng, scans=6):
    """Marks, nodules and excluded findings, crowded so that they overlap, with many equal scores."""

    def findings(number):
        diameters = rng.choice([-1.0, 4.0, 8.0, 15.0], number)
        return [(int(s), *c, d) for s, c, d in zip(*_places(rng, scans, number), diameters, strict=True)]

    number = int(rng.integers(0, 60))
    scores, diameters = rng.integers(0, 12, number) / 12, rng.uniform(4, 20, number)
    placed = zip(*_places(rng, scans, number), scores, diameters, strict=True)
    marks = [(int(s), *c, score, d) for s, c, score, d in placed]
    nodules = [*findings(int(rng.integers(0, 12))), (0, 0.0, 0.0, 0.0, 12.0)]
    return marks, nodules, findings(int(rng.integers(0, 8)))


def _places(rng, scans, number):
    return rng.integers(0, scans, number), rng.uniform(-15, 15, (number, 3)).tolist()


def with_copies(found, copies):
    """The same detections on several times as many scans."""
    scan = {name: getattr(found, name) for name in ("mark_scan", "finding_scan")}
    tiled = {
        name: np.concatenate([value] * copies)
        for name, value in vars(found).items()
        if name.startswith(("mark_", "finding_"))
    }
    for name, value in scan.items():
        tiled[name] = np.concatenate([value + found.scans * copy for copy in range(copies)])
    return replace(found, scans=found.scans * copies, **tiled)


def write(path, *lines):
    """A text file of lines; its path."""
    path.write_text("\n".join(lines) + "\n")
    return path
