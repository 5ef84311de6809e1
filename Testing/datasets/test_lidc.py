"""LIDC-IDRI's series and readers' XML become a bank: who outlined what, what most agree on, what is refused."""

import numpy as np
import pytest

from LungCancerDxLib.datasets.lidc import make_nodule_bank, nodules_of, read_reading
from LungCancerDxLib.datasets.nodule_bank import RATINGS, read_nodule_bank
from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from Testing.io.dicom.dicom_files import chest_voxels, write_series

UID, HEAD = "1.2.3.4", '<?xml version="1.0"?><LidcReadMessage xmlns="http://www.nih.gov">'
SPACING_K, ORIGIN_Z = 3.0, -60.0


def square(low_x, low_y, size):
    """The pixels around a square of pixels, which are the outline of it."""
    xs, ys = range(low_x - 1, low_x + size + 1), range(low_y - 1, low_y + size + 1)
    return [(x, y) for x in xs for y in ys if x in (xs[0], xs[-1]) or y in (ys[0], ys[-1])]


def roi(k, points, inclusion="TRUE", z_mm=None):
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in points)
    z_mm = ORIGIN_Z + SPACING_K * k if z_mm is None else z_mm
    return f"<roi><imageZposition>{z_mm}</imageZposition><inclusion>{inclusion}</inclusion>{edges}</roi>"


def nodule(*rois, malignancy=4):
    ratings = "".join(f"<{trait}>{malignancy if trait == 'malignancy' else 3}</{trait}>" for trait in RATINGS)
    return f"<unblindedReadNodule><characteristics>{ratings}</characteristics>{''.join(rois)}</unblindedReadNodule>"


def write_readings(path, *readers, uid=UID, head=HEAD):
    sessions = "".join(f"<readingSession>{''.join(nodules)}</readingSession>" for nodules in readers)
    uid = f"<ResponseHeader><SeriesInstanceUid>{uid}</SeriesInstanceUid></ResponseHeader>"
    path.write_text(f"{head}{uid}{sessions}</LidcReadMessage>")


@pytest.fixture
def series(tmp_path):
    folder = tmp_path / "lidc" / "LIDC-IDRI-0009" / "study" / "series"
    folder.mkdir(parents=True)
    write_series(folder, chest_voxels(), SeriesInstanceUID=UID, PatientID="LIDC-IDRI-0009")
    return folder


def bank_of(series, tmp_path, **options):
    made = make_nodule_bank(tmp_path / "lidc", tmp_path / "bank", **options)
    return made, read_nodule_bank(tmp_path / "bank")


def test_what_half_of_the_readers_outlined_is_the_nodule(series, tmp_path):
    wide, narrow, aside = (nodule(roi(10, square(*where))) for where in ((10, 12, 4), (10, 12, 2), (11, 12, 2)))
    write_readings(series / "069.xml", [wide], [narrow], [aside], [])
    made, (found,) = bank_of(series, tmp_path)
    assert made == (1, 1, [])
    hu, mask = found.decode()
    assert mask.sum() == 6  # two of three readers: columns 10 to 12 of rows 12 and 13
    assert hu[mask].tolist() == chest_voxels()[10, 12:14, 10:13].ravel().tolist()
    assert (found.patient, found.malignancy, found.calcification, found.is_cube) == ("LIDC-IDRI-0009", 4, 3, False)
    volume_mm3 = 6 * np.prod(found.spacing_mm_kji)
    assert found.diameter_mm == pytest.approx((6 / np.pi * volume_mm3) ** (1 / 3), abs=1e-3)
    assert found.shell_hu is not None


def test_a_nodule_does_not_keep_its_series_in_memory(series):
    write_readings(series / "069.xml", *([nodule(roi(10, square(10, 12, 4)))] for _ in range(3)))
    volume = read_ct(series)
    (found,) = nodules_of(volume, read_reading(series / "069.xml"), "LIDC-IDRI-0009", 3)
    assert not np.shares_memory(found.hu, volume.voxels)


def test_ratings_are_medians_over_readers(series, tmp_path):
    where = roi(10, square(10, 12, 4))
    write_readings(series / "069.xml", *([nodule(where, malignancy=rating)] for rating in (2, 3, 5, 5)))
    _, (found,) = bank_of(series, tmp_path)
    assert found.malignancy == 4


def test_nodules_of_too_few_readers_are_left_out(series, tmp_path):
    here, there = nodule(roi(10, square(10, 12, 4))), nodule(roi(10, square(22, 12, 4)))
    write_readings(series / "069.xml", [here], [here, there], [here], [there])
    made, found = bank_of(series, tmp_path)
    assert made[0] == len(found) == 1
    assert make_nodule_bank(tmp_path / "lidc", tmp_path / "two", min_readers=2)[0] == 2


def test_two_outlines_of_one_reader_are_one_voice(series, tmp_path):
    part, other = nodule(roi(10, square(10, 12, 4))), nodule(roi(11, square(10, 12, 4)))
    both = nodule(roi(10, square(10, 12, 4)), roi(11, square(10, 12, 4)))
    write_readings(series / "069.xml", [part, other], [both])
    made, _ = bank_of(series, tmp_path, min_readers=2)
    assert made[0] == 1
    assert make_nodule_bank(tmp_path / "lidc", tmp_path / "three", min_readers=3)[0] == 0


def test_a_hole_is_cut_out_and_a_point_stays(series, tmp_path):
    ring = nodule(roi(10, square(10, 12, 5)), roi(10, square(12, 14, 1), "FALSE"))
    dot = nodule(roi(12, [(20, 20)]))
    write_readings(series / "069.xml", *[[ring, dot]] * 3)
    _, found = bank_of(series, tmp_path)
    assert sorted(int(one.mask.sum()) for one in found) == [1, 24]


def test_all_of_a_patient_are_in_one_fold_and_the_xml_may_lie_elsewhere(series, tmp_path):
    write_readings(
        tmp_path / "lidc" / "158.xml", *[[nodule(roi(5, square(5, 8, 3))), nodule(roi(15, square(9, 9, 3)))]] * 3
    )
    _, found = bank_of(series, tmp_path)
    assert len({one.fold for one in found}) == 1
    assert [one.id for one in found] == ["LIDC-IDRI-0009-1", "LIDC-IDRI-0009-2"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (roi(10, square(10, 12, 4), z_mm=-58.6), "z = -58.6 mm is on no slice"),
        (roi(10, square(10, 12, 4), z_mm=900.0), "z = 900 mm is on no slice"),
        (roi(10, square(38, 12, 4)), "an outline leaves the image"),
    ],
)
def test_outlines_of_another_series_are_told_and_left_out(series, tmp_path, wrong, said):
    write_readings(series / "069.xml", *[[nodule(wrong)]] * 3)
    nodules, _, left_out = make_nodule_bank(tmp_path / "lidc", tmp_path / "bank")
    assert nodules == 0
    assert said in left_out[0]
    assert "069.xml" in left_out[0]


def test_a_damaged_xml_is_told(series, tmp_path):
    write_readings(series / "good.xml", *[[nodule(roi(10, square(10, 12, 4)))]] * 3)
    (series / "bad.xml").write_text(HEAD)
    (series / "lacks.xml").write_text((series / "good.xml").read_text().replace("<texture>3</texture>", ""))
    nodules, _, left_out = make_nodule_bank(tmp_path / "lidc", tmp_path / "bank")
    assert nodules == 1
    assert ["bad.xml" in left_out[0], "lacks.xml: a nodule is damaged" in left_out[1]] == [True, True]


def test_an_outline_without_points_costs_its_own_series_alone(series, tmp_path):
    write_readings(series / "069.xml", [nodule(roi(10, []))])
    with pytest.raises(CTReadError, match="an outline has no points"):
        read_reading(series / "069.xml")


def test_a_series_whose_slices_were_shifted_is_left_out(tmp_path):
    """Outlines are pixels of the slices as they are."""
    folder = tmp_path / "lidc" / "series"
    folder.mkdir(parents=True)
    positions = [(-40.0 - 6.0 * (k >= 12), -50.0, ORIGIN_Z + SPACING_K * k) for k in range(24)]
    write_series(folder, chest_voxels(), positions, SeriesInstanceUID=UID, PatientID="LIDC-IDRI-0009")
    write_readings(folder / "069.xml", *[[nodule(roi(10, square(10, 12, 4)))]] * 3)
    nodules, _, left_out = make_nodule_bank(tmp_path / "lidc", tmp_path / "bank")
    assert nodules == 0
    assert "were shifted" in left_out[0]


def test_radiographs_and_small_nodules_are_no_readings_of_nodules(tmp_path):
    write_readings(tmp_path / "x.xml", [], head=HEAD.replace("Lidc", "Idri"))
    (tmp_path / "x.xml").write_text((tmp_path / "x.xml").read_text().replace("</Lidc", "</Idri"))
    assert read_reading(tmp_path / "x.xml") is None
    small = f"<unblindedReadNodule>{roi(3, [(4, 4)])}</unblindedReadNodule>"
    write_readings(tmp_path / "y.xml", [small])
    assert read_reading(tmp_path / "y.xml").outlines == ()


def test_a_folder_without_readings_is_refused(series, tmp_path):
    write_readings(series / "069.xml", [], uid="9.9.9")
    with pytest.raises(CTReadError, match="no DICOM series with a readers' XML of the same SeriesInstanceUID"):
        make_nodule_bank(tmp_path / "lidc", tmp_path / "bank")
    assert not (tmp_path / "bank").exists()


@pytest.mark.slow
def test_the_first_patient_of_the_collection(tmp_path, real_scan_path):
    nodules, series, left_out = make_nodule_bank(real_scan_path("LIDC-IDRI-0001"), tmp_path / "bank")
    assert (nodules, series, left_out) == (1, 1, [])
    (found,) = read_nodule_bank(tmp_path / "bank")
    assert (found.patient, found.malignancy, found.texture) == ("LIDC-IDRI-0001", 5, 5)
    assert found.diameter_mm == pytest.approx(24, abs=1.5)
    hu, mask = found.decode()
    around = np.roll(mask, 1, axis=2) & ~mask
    assert hu[mask].mean() > hu[around].mean() + 200
