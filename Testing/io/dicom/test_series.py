"""Several series in one folder: the axial one with the most slices is read, and the choice is told."""

import numpy as np
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from Testing.io.dicom.dicom_files import chest_voxels, write_series

VOXELS = chest_voxels()
CORONAL = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]


@pytest.mark.slow
def test_the_series_with_more_slices_is_read_and_the_other_named(tmp_path):
    write_series(tmp_path, VOXELS, name="b{}", SeriesDescription="Lung 3 mm", SeriesInstanceUID="1.2.50")
    write_series(tmp_path, VOXELS[::2], spacing_mm=6, name="a{}", SeriesDescription="Body 6 mm")
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.info["series_uid"] == "1.2.50"
    assert volume.warnings == (
        '2 CT series found; read "Lung 3 mm" (24 axial slices); not read: "Body 6 mm" (12 axial slices).',
    )


@pytest.mark.slow
def test_of_equal_series_the_very_sharp_one_is_not_read(tmp_path):
    for name, kernel in (("a{}", "BONE"), ("b{}", "STANDARD")):
        write_series(tmp_path, VOXELS, name=name, SeriesDescription=kernel, ConvolutionKernel=kernel)
    assert read_ct(tmp_path).info["kernel"] == "STANDARD"


@pytest.mark.slow
def test_series_without_description_are_named_by_their_uid(tmp_path):
    write_series(tmp_path, VOXELS, name="b{}", SeriesInstanceUID="1.2.50")
    write_series(tmp_path, VOXELS[::2], spacing_mm=6, name="a{}", SeriesInstanceUID="1.2.51")
    (warning,) = read_ct(tmp_path).warnings
    assert "read UID 1.2.50 (24 axial slices); not read: UID 1.2.51" in warning


@pytest.mark.slow
def test_a_larger_coronal_series_does_not_win(tmp_path):
    write_series(tmp_path / "axial", VOXELS)
    coronal = chest_voxels((40, 32, 40), seed=5)
    places = [(-40.0, -50.0 + 3 * k, 60.0) for k in range(40)]
    write_series(tmp_path / "coronal", coronal, places, ImageOrientationPatient=CORONAL)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert "40 coronal slices" in volume.warnings[0]


def test_coronal_slices_alone_are_refused(tmp_path):
    places = [(-40.0, -50.0 + 3 * k, 60.0) for k in range(24)]
    write_series(tmp_path, VOXELS, places, ImageOrientationPatient=CORONAL, SeriesDescription="MPR")
    with pytest.raises(CTReadError, match=r'no axial slices; found "MPR" \(24 coronal slices\)'):
        read_ct(tmp_path)


def test_localizers_within_the_series_are_dropped(tmp_path):
    write_series(tmp_path / "ct", VOXELS, SeriesInstanceUID="1.2.60")
    write_series(
        tmp_path / "scout",
        VOXELS[:2],
        SeriesInstanceUID="1.2.60",
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        ImageOrientationPatient=CORONAL,
    )
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ()


def test_localizers_alone_are_named(tmp_path):
    write_series(tmp_path, VOXELS[:2], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(CTReadError, match="found localizers: 2"):
        read_ct(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "tags",
    [{"ImageOrientationPatient": CORONAL}, {"PixelSpacing": [1.0, 1.0]}, {"ConvolutionKernel": "B80"}],
    ids=["orientation", "pixel size", "kernel"],
)
def test_stacks_under_one_series_uid_are_told_apart(tmp_path, tags):
    write_series(tmp_path / "a", VOXELS, SeriesInstanceUID="1.2.60", ConvolutionKernel="B30")
    other = {"SeriesInstanceUID": "1.2.60", "ConvolutionKernel": "B30", **tags}
    write_series(tmp_path / "b", chest_voxels(seed=9)[:7], **other)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.info["kernel"] == "B30"
    assert "2 CT series found" in volume.warnings[0]


def test_stacks_of_another_image_size_under_one_series_uid_are_told_apart(tmp_path):
    write_series(tmp_path / "a", VOXELS, SeriesInstanceUID="1.2.60")
    write_series(tmp_path / "b", chest_voxels((7, 50, 50)), SeriesInstanceUID="1.2.60")
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


@pytest.mark.slow
def test_many_images_at_few_places_do_not_outweigh_a_scan(tmp_path):
    write_series(tmp_path / "scan", VOXELS)
    places = [(-40.0, -50.0, -60.0 + 3 * (k % 6)) for k in range(30)]
    write_series(tmp_path / "perfusion", chest_voxels((30, 32, 40), seed=3), places)
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


MORE = chest_voxels((60, 32, 40), seed=7)
UPPER = [(-40.0, -50.0, 200.0 + 3 * k) for k in range(60)]
WIDE = chest_voxels((24, 80, 100))  # 300 x 320 mm
WIDE_TAGS = {"PixelSpacing": [3.75, 3.2], "SeriesDescription": "THORAX 3.0", "BodyPartExamined": "CHEST"}


def shown(told):
    return " ".join(told) if isinstance(told, tuple) else str(told)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MIP"]}, "a projection"),
        ({"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE", "MIN IP"]}, "a projection"),
        ({"SeriesDescription": "Lung MinIP 8/2"}, "a projection"),
        ({"SeriesDescription": "MIP_LUNG"}, "a projection"),
        ({"SliceThickness": 10.0}, "thick slabs"),
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "CSA MPR"]}, "reformatted"),
        ({"BodyPartExamined": "HEAD"}, "another part of the body"),
        ({"SeriesDescription": "Brain 1.0 H31s"}, "another part of the body"),
        ({"SeriesDescription": "Effective Z", "RescaleType": "Z_EFF"}, "not in HU"),
        ({"SeriesDescription": "Iodine Density", "RescaleType": "MGML"}, "not in HU"),
    ],
)
def test_a_series_with_more_slices_that_is_not_the_scan_is_not_read(tmp_path, tags, why):
    write_series(tmp_path / "a", MORE, spacing_mm=1.25, **{"SeriesDescription": "other", **tags})
    count = 48 if why == "reformatted" else 24
    scan = chest_voxels((count, 32, 40))
    write_series(tmp_path / "b", scan, SeriesDescription="CHEST 3.0", SliceThickness=3.0)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, scan)
    (warning,) = volume.warnings
    assert f'read "CHEST 3.0" ({count} axial slices); not read: ' in warning
    assert f"(60 axial slices, {why}" in warning


@pytest.mark.parametrize("unit", ["HU", "HU_MOD", "US", "hu ", None])
def test_every_name_of_hounsfield_units_is_one(tmp_path, unit):
    write_series(tmp_path / "a", VOXELS, SeriesDescription="THORAX", RescaleType=unit)
    write_series(tmp_path / "b", VOXELS[:21], SeriesDescription="CHEST")
    volume = read_ct(tmp_path)
    assert volume.info["series_description"] == "THORAX"
    assert "not in HU" not in volume.warnings[0]


@pytest.mark.parametrize(("count", "read"), [(24, "Thorax 1.0 B31f"), (30, "MonoE 40keV")])
def test_of_equal_series_the_derived_one_is_not_read(tmp_path, count, read):
    series = (("MonoE 40keV", "DERIVED", chest_voxels((count, 32, 40))), ("Thorax 1.0 B31f", "ORIGINAL", VOXELS))
    for name, kind, voxels in series:
        write_series(tmp_path / name, voxels, SeriesDescription=name, ImageType=[kind, "PRIMARY", "AXIAL"])
    assert read_ct(tmp_path).info["series_description"] == read


def test_projections_alone_are_refused(tmp_path):
    write_series(tmp_path, MORE, spacing_mm=1.25, SeriesDescription="LUNG MIP")
    with pytest.raises(CTReadError, match=r'projections .*"LUNG MIP" \(60 axial slices, a projection\)'):
        read_ct(tmp_path)


@pytest.mark.slow
def test_a_chest_alone_is_read_whatever_its_header_calls_it(tmp_path):
    write_series(tmp_path, MORE, BodyPartExamined="HEAD", ImageType=["DERIVED", "SECONDARY", "AXIAL", "MPR"])
    volume = read_ct(tmp_path)
    assert (volume.shape_kji, volume.warnings) == (MORE.shape, ())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("positions", "pixel_mm"),
    [(UPPER, [3.0, 5.5]), ([(60.0, -50.0, -60.0 + 1.5 * k) for k in range(60)], [3.0, 5.5]), (None, [3.0, 3.0])],
    ids=["a head above the chest", "one lung", "the heart"],
)
def test_a_smaller_field_of_view_with_more_slices_is_not_read(tmp_path, positions, pixel_mm):
    positions = positions or [(60.0, 60.0, -60.0 + 1.5 * k) for k in range(60)]
    write_series(tmp_path / "a", MORE, positions, PixelSpacing=pixel_mm, SeriesDescription="THORAX 1.5")
    write_series(tmp_path / "b", WIDE, **WIDE_TAGS)
    volume = read_ct(tmp_path)
    assert volume.info["series_description"] == "THORAX 3.0"
    assert "a smaller field of view" in volume.warnings[0]
    assert ("above it" in volume.warnings[0]) == (positions is UPPER)


@pytest.mark.slow
def test_a_narrower_image_of_the_same_chest_is_read_where_it_has_more_slices(tmp_path):
    """As of a CT of a PET/CT, whose attenuation scan is wider and coarser."""
    middle = [(-40.0 + 160 - 110, -50.0 + 150 - 48, -60.0 + 1.2 * k) for k in range(60)]
    write_series(tmp_path / "a", MORE, middle, PixelSpacing=[3.0, 5.6], SeriesDescription="THORAX 1.2")
    write_series(tmp_path / "b", WIDE, **WIDE_TAGS)
    assert read_ct(tmp_path).info["series_description"] == "THORAX 1.2"


PARTS = {"SeriesDescription": "CHEST", "FrameOfReferenceUID": "1.2.3", "StudyInstanceUID": "1.2.4"}


@pytest.mark.parametrize("cuts", [(30,), (20, 40), (13, 14)])
def test_a_scan_split_into_series_is_read_as_one(tmp_path, cuts):
    positions = [(-40.0, -50.0 + 0.2 * k, -60.0 + 3 * k) for k in range(60)]
    for part in np.split(np.arange(60), cuts):
        slices = part[0], part[-1] + 1
        numbered = {**PARTS, "SeriesDescription": f"CHEST ({part[0]})"}
        write_series(tmp_path, MORE[slice(*slices)], positions[slice(*slices)], name=f"{part[0]}_{{}}.dcm", **numbered)
    volume = read_ct(tmp_path)
    assert volume.shape_kji[0] == 60
    count = len(cuts) + 1
    assert f"The scan is split into {count} series that continue each other; they were read as one." in volume.warnings


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin_mm", "tags"),
    [
        (-60 + 31 * 3 + 15, {}),
        (-60 + 30 * 3, {"ConvolutionKernel": "B80"}),
        (-60 + 30 * 3, {"SeriesDescription": "ABD"}),
    ],
    ids=["after a gap", "another kernel", "another name"],
)
def test_series_that_do_not_quite_continue_each_other_are_not_joined_and_told(tmp_path, begin_mm, tags):
    write_series(tmp_path / "a", MORE[:30], **PARTS)
    positions = [(-40.0, -50.0, begin_mm + 3 * k) for k in range(24)]
    write_series(tmp_path / "b", MORE[30:54], positions, **{**PARTS, **tags})
    volume = read_ct(tmp_path)
    assert volume.shape_kji[0] == 30
    assert "(24 axial slices, above it)" in volume.warnings[0] or "part of the body" in volume.warnings[0]


@pytest.mark.slow
def test_series_of_one_description_are_told_by_their_uids(tmp_path):
    write_series(tmp_path / "a", MORE, SeriesDescription="CHEST", SeriesInstanceUID="1.2.50")
    write_series(tmp_path / "b", VOXELS, SeriesDescription="CHEST", SeriesInstanceUID="1.2.51", StudyInstanceUID="1.9")
    assert read_ct(tmp_path).warnings == (
        '2 CT series found; read "CHEST", UID 1.2.50 (60 axial slices); '
        'not read: "CHEST", UID 1.2.51 (24 axial slices, of another study).',
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "tags",
    [
        {"PatientID": "B"},
        {"PatientID": "", "PatientName": "Doe^John"},
        {"PatientBirthDate": "19500102"},
        {"PatientID": "B", "PatientName": ""},
    ],
)
@pytest.mark.parametrize("one_folder", [False, True])
def test_slices_of_two_patients_are_refused_and_nobody_is_named(tmp_path, tags, one_folder):
    both = {"PatientBirthDate": "19500101"}
    write_series(tmp_path / "1", MORE, name="a{}", SeriesInstanceUID="1.2.50", **both)
    write_series(tmp_path / ("1" if one_folder else "2"), VOXELS, name="b{}", SeriesInstanceUID="1.2.51", **both | tags)
    told = r"series 1\.2\.50 \(60 .* series 1\.2\.51 \(24" if one_folder else r"patients: 1 \(60 .* 2 \(24"
    with pytest.raises(CTReadError, match=told) as error:
        read_ct(tmp_path)
    assert not any(word in str(error.value) for word in ("Doe", "SECRET", "1950"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "tags", [{"PatientID": " secret-42 "}, {"PatientName": "DOE^JANE M"}, {"PatientID": "", "PatientName": ""}]
)
def test_one_patient_spelled_differently_is_no_second_one(tmp_path, tags):
    write_series(tmp_path / "a", MORE)
    write_series(tmp_path / "b", VOXELS, **tags)
    assert read_ct(tmp_path).shape_kji == MORE.shape


@pytest.mark.slow
def test_what_was_chosen_is_named_also_where_it_cannot_be_read(tmp_path):
    write_series(tmp_path / "a", np.full((60, 32, 40), 40, np.int16), SeriesDescription="ABDOMEN AIR")
    write_series(tmp_path / "b", VOXELS[:4], SeriesDescription="CHEST")
    with pytest.raises(CTReadError, match=r'the image is empty .* 2 CT series found; read "ABDOMEN AIR"'):
        read_ct(tmp_path)
