"""LUNA16: written and read back, and what is said of tables that are not as they should be."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.datasets.luna16 import read_luna16, read_lung_labels, write_luna16_scan, write_luna16_tables
from LungCancerDxLib.datasets.scan import CohortScan, NoduleLabel
from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.volume import index_to_world
from Testing.cohorts.stand_ins import small_lungs, small_volume

IDS = ("1.3.6.1.4.1.9", "1.3.6.1.4.1.10")
NODULES = {IDS[0]: (NoduleLabel((-12.5, 30.25, -81.125), 4.5), NoduleLabel((8.1, 2.0, -77.0), 6.0)), IDS[1]: ()}


def write(folder):
    for number, uid in enumerate(IDS):
        write_luna16_scan(folder, uid, f"subset{number}", small_volume(number), small_lungs())
    write_luna16_tables(folder, [CohortScan(uid, folder, None, NODULES[uid], "LUNA16") for uid in IDS])
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("luna16"))


@pytest.fixture
def cohort(tmp_path):
    """A cohort to spoil."""
    return write(tmp_path)


def test_the_files_are_laid_out_as_the_challenge_has_them(written):
    files = sorted(str(path.relative_to(written)) for path in written.rglob("*") if path.is_file())
    scans = [
        f"{folder}/{uid}.{end}"
        for folder, uid in zip(("subset0", "subset1"), IDS, strict=True)
        for end in ("mhd", "raw")
    ]
    lungs = [f"seg-lungs-LUNA16/{uid}.{end}" for uid in IDS for end in ("mhd", "raw")]
    assert files == sorted(["annotations.csv", "seriesuids.csv", *scans, *lungs])
    assert (written / "annotations.csv").read_text().splitlines()[:2] == [
        "seriesuid,coordX,coordY,coordZ,diameter_mm",
        f"{IDS[0]},-12.5,30.25,-81.125,4.5",
    ]
    assert (written / "seriesuids.csv").read_text() == f"{IDS[0]}\n{IDS[1]}\n"
    header = (written / "subset0" / f"{IDS[0]}.mhd").read_text()
    assert "ElementType = MET_SHORT" in header
    assert "CompressedData = False" in header
    assert (written / "subset0" / f"{IDS[0]}.raw").stat().st_size == small_volume().voxels.nbytes


def test_scans_come_with_their_nodules_in_natural_order_before_any_image_is_read(written):
    scans = read_luna16(written).scans
    assert [(scan.id, scan.part, scan.label, scan.source) for scan in scans] == [
        (IDS[0], "subset0", None, "LUNA16"),
        (IDS[1], "subset1", None, "LUNA16"),
    ]
    assert {scan.id: scan.nodules for scan in scans} == NODULES


def test_voxels_and_places_and_lungs_read_back_as_they_were(written):
    for number, scan in enumerate(read_luna16(written).scans):
        volume = read_ct(scan.path)
        np.testing.assert_array_equal(volume.voxels, small_volume(number).voxels)
        np.testing.assert_allclose(volume.kji_to_lps, small_volume(number).kji_to_lps, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(read_lung_labels(scan.lungs_path, volume), small_lungs())


def test_lungs_of_another_grid_are_refused(written):
    first, second = read_luna16(written).scans
    with pytest.raises(CTReadError, match=r"do not lie on the grid .* 1\.00 mm apart"):
        read_lung_labels(first.lungs_path, read_ct(second.path))
    volume = read_ct(first.path)
    coarser = volume.kji_to_lps.copy()
    coarser[:3, :3] *= 2
    last = np.array(volume.shape_kji) - 1
    coarser[:3, 3] += index_to_world(volume.kji_to_lps, last) - index_to_world(coarser, last)
    with pytest.raises(CTReadError, match="do not lie on the grid"):
        read_lung_labels(first.lungs_path, replace(volume, kji_to_lps=coarser))


def test_the_tables_may_lie_where_the_challenge_packs_them(cohort):
    tables = cohort / "evaluationScript" / "annotations"
    tables.mkdir(parents=True)
    for name in ("annotations.csv", "seriesuids.csv"):
        (cohort / name).rename(tables / name)
    assert {scan.id: scan.nodules for scan in read_luna16(cohort).scans} == NODULES


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (f"{IDS[0]},1,2,three,4", r"annotations\.csv, line 2, column coordZ: expected a number, got 'three'"),
        (f"{IDS[0]},1,2,3,0", "line 2, column diameter_mm: expected a length above zero in mm, got 0"),
        (f"{IDS[0]},1,2,3", "line 2: 4 cells, but the header line has 5"),
        (f"{IDS[0]},1,2,3,4,5", "line 2: 6 cells, but the header line has 5"),
        (f"{IDS[0]},1,2,3,4\n{IDS[0]},1,2,3,4", "line 3: the same sphere of .* twice"),
    ],
)
def test_a_bad_row_is_named_with_its_file_and_line(cohort, row, words):
    (cohort / "annotations.csv").write_text(f"seriesuid,coordX,coordY,coordZ,diameter_mm\n{row}\n")
    with pytest.raises(CTReadError, match=words):
        read_luna16(cohort)


def test_a_missing_table_or_column_is_named(cohort):
    (cohort / "annotations.csv").write_text("seriesuid,x,y,z\n")
    with pytest.raises(CTReadError, match=r"annotations\.csv, line 1: no column coordX, coordY, coordZ, diameter_mm"):
        read_luna16(cohort)
    (cohort / "annotations.csv").unlink()
    with pytest.raises(CTReadError, match=r"has no annotations\.csv"):
        read_luna16(cohort)


def test_a_scan_that_is_there_twice_is_refused_with_both_files(cohort):
    name = f"{IDS[0]}.mhd"
    (cohort / "subset1" / name).write_bytes((cohort / "subset0" / name).read_bytes())
    with pytest.raises(CTReadError, match=r"there twice: .*subset0.* and .*subset1"):
        read_luna16(cohort)


def test_scans_that_are_not_there_are_told_and_the_others_read(cohort):
    (cohort / "subset1" / f"{IDS[1]}.mhd").unlink()
    with (cohort / "annotations.csv").open("a") as file:
        file.write("5.5,1,2,3,4\n")
    dataset = read_luna16(cohort)
    assert [scan.id for scan in dataset.scans] == [IDS[0]]
    assert dataset.missing == (IDS[1], "5.5")


def test_only_the_scans_of_the_challenges_list_are_read(cohort):
    (cohort / "seriesuids.csv").write_text(f"{IDS[1]}\n")
    assert [scan.id for scan in read_luna16(cohort).scans] == [IDS[1]]
