"""Shared fixtures. The real scans are used where they are at hand and skipped with a reason elsewhere."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

# Before torch is loaded: threads that spin while they wait crawl where other work shares the processor.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

REAL_SCANS = {
    "LIDC-IDRI-0001": "LIDC-IDRI-0001",
    "LIDC-IDRI-0002": "LIDC-IDRI-0002.nrrd",
    "LIDC-IDRI-0314": "LIDC-IDRI-0314.nrrd",
    "CMB-CRC-MSB-01068": "CMB-CRC-MSB-01068.nrrd",
    "4D-Lung-P113": "4D-Lung-P113.nrrd",
}


def real_data_folder() -> Path:
    """`LUNGCANCERDX_DATA`, or the folder `shared/data` beside the clone."""
    beside_clone = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("LUNGCANCERDX_DATA", beside_clone))


@pytest.fixture(scope="session")
def real_scan_path():
    """A function from a scan's name (see REAL_SCANS) to its path; skips the test where the scans are not at hand."""

    def path(name: str) -> Path:
        found = real_data_folder() / REAL_SCANS[name]
        if not found.exists():
            pytest.skip(f"real scan {name} not at hand (set LUNGCANCERDX_DATA to the folder that holds it)")
        return found

    return path


@pytest.fixture(scope="session")
def difficult_case(tmp_path_factory):
    """A function from a difficult scan's name, and a file of it, to its path, unpacked where it is an archive.

    They lie in `LUNGCANCERDX_CASES`, or in the folder `shared/cases` beside the clone; where not, the test is skipped.
    """
    beside_clone = Path(__file__).resolve().parents[2] / "shared" / "cases"
    folder = Path(os.environ.get("LUNGCANCERDX_CASES", beside_clone))

    def path(name: str, file: str) -> Path:
        found = folder / name / file
        if not found.exists():
            pytest.skip(f"difficult scan {name} not at hand (set LUNGCANCERDX_CASES to the folder that holds it)")
        if not file.endswith(".tar.gz"):
            return found
        unpacked = tmp_path_factory.mktemp(name)
        with tarfile.open(found) as archive:
            archive.extractall(unpacked, filter="data")
        return unpacked

    return path


@pytest.fixture
def no_outlines(monkeypatch):
    """Leave the nodules without masks, for tests that are not about them."""
    from LungCancerDxLib import pipeline
    from LungCancerDxLib.segmentation.nodules import SegmentedNodules

    def unmeasured(volume, lungs, nodules, *_):
        return SegmentedNodules(np.zeros(volume.shape_kji, np.uint8), tuple(nodules), lungs)

    monkeypatch.setattr(pipeline, "segment_nodules", unmeasured)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A small bank of nodules."""
    from LungCancerDxLib.datasets.nodule_bank import read_nodule_bank
    from Testing.real_nodules import write_bank

    folder = tmp_path_factory.mktemp("bank")
    write_bank(folder)
    return read_nodule_bank(folder)
