"""NIfTI headers: two versions, both byte orders, units, and headers that contradict themselves."""

import gzip

import numpy as np
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.volume import index_to_world, world_to_index
from Testing.helpers import affine, rotation
from Testing.io.dicom.dicom_files import chest_voxels

nibabel = pytest.importorskip("nibabel")

VOXELS = chest_voxels((24, 40, 48))
RAS = np.array([[-2.0, 0, 0, 40], [0, -3.0, 0, 50], [0, 0, 3.0, -60], [0, 0, 0, 1]])
TURN = affine(rotation(10.0, (1.0, 2.0, 3.0)), np.zeros(3))
ABOUT_Z = np.diag([-1.0, -1.0, 1.0, 1.0])
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write(path, qform=RAS, sform=RAS, codes=(1, 1), voxels=VOXELS, version=1, pixdim=None, order="<", unit=None):
    """A file with two forms (RAS, from i, j, k), whatever they say."""
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    header = kind.header_class(endianness=order)
    header.set_data_dtype(voxels.dtype)
    image = kind(voxels.T, sform, header)
    image.header.set_qform(qform, codes[0])
    image.header.set_sform(sform, codes[1])
    if pixdim is not None:
        image.header["pixdim"][1:4] = pixdim
    if unit is not None:
        image.header.set_xyzt_units(unit)
    image._affine = None  # so that the forms are written as they are
    nibabel.save(image, path)
    return path


def shifted(form, *by_mm):
    return affine(np.eye(3), np.array(by_mm)) @ form


def sheared(form, j_mm=0.0, i_mm=0.0):
    """Each slice this much further along the patient's front-back and left-right axis."""
    form = form.copy()
    form[:2, 2] += i_mm, j_mm
    return form


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_every_version_byte_order_and_type_gives_the_same_scan(tmp_path, version, order, dtype, name):
    turned = TURN @ RAS
    path = write(tmp_path / name, turned, turned, voxels=VOXELS.astype(dtype), version=version, order=order)
    volume = read_ct(path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    for index_kji in ((0, 0, 0), (23, 39, 47), (5, 6, 7)):
        expected = TO_LPS @ turned @ [*index_kji[::-1], 1]
        np.testing.assert_allclose(index_to_world(volume.kji_to_lps, index_kji), expected[:3], atol=1e-3)
    assert volume.warnings == ()


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (2, 0), (0, 4), (1, 2), (2, 1)])
def test_one_form_is_enough_and_two_may_agree(tmp_path, codes):
    volume = read_ct(write(tmp_path / "ct.nii", codes=codes))
    np.testing.assert_allclose(volume.kji_to_lps[:3, 3], (-40, -50, -60), atol=1e-4)
    assert volume.warnings == ()


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("mm", 1.0), ("unknown", 1.0)])
def test_units_are_heeded(tmp_path, unit, factor):
    scaled = np.diag([factor, factor, factor, 1.0]) @ RAS
    volume = read_ct(write(tmp_path / "ct.nii", scaled, scaled, unit=unit))
    np.testing.assert_allclose(volume.spacing_mm_kji, (3, 3, 2), rtol=1e-5)
    np.testing.assert_allclose(volume.kji_to_lps[:3, 3], (-40, -50, -60), rtol=1e-5)


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize(
    "qform", [RAS @ np.diag([-1.0, 1, 1, 1]), RAS @ np.diag([1, -1.0, 1, 1]), ABOUT_Z @ RAS], ids=["i", "j", "turned"]
)
def test_forms_that_disagree_on_the_sides_are_refused(tmp_path, qform, codes):
    with pytest.raises(
        CTReadError, match=r"ct\.nii: the header contradicts itself: .* disagree on the patient's sides"
    ):
        read_ct(write(tmp_path / "ct.nii", qform, RAS, codes))


@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (1, 2)])
@pytest.mark.parametrize("pixdim", [(1, 1, 1), (2, 3, 3.1), (2.05, 3, 3)])
def test_two_voxel_sizes_are_refused(tmp_path, codes, pixdim):
    with pytest.raises(CTReadError, match=r"voxels of .* mm \(pixdim\) and of 2 x 3 x 3 mm \(sform\)"):
        read_ct(write(tmp_path / "ct.nii", codes=codes, pixdim=pixdim))


def test_voxel_sizes_that_are_the_same_but_for_rounding_are_no_contradiction(tmp_path):
    volume = read_ct(write(tmp_path / "ct.nii", pixdim=(2.01, 3, 3)))
    np.testing.assert_allclose(volume.spacing_mm_kji, (3, 3, 2))


@pytest.mark.parametrize("apart", [lambda form: shifted(form, 0, 0, 5.0), lambda form: TURN @ form])
def test_of_two_places_that_in_the_scanner_is_taken_and_told(tmp_path, apart):
    for codes, name in (((1, 2), "qform"), ((4, 1), "sform")):
        forms = (RAS, apart(RAS)) if name == "qform" else (apart(RAS), RAS)
        volume = read_ct(write(tmp_path / "ct.nii", forms[0], forms[1], codes))
        np.testing.assert_allclose(volume.kji_to_lps[:3, 3], (-40, -50, -60), atol=1e-3)
        (warning,) = volume.warnings
        assert f"that in the scanner ({name}) was taken" in warning


@pytest.mark.parametrize("codes", [(1, 1), (2, 2)])
def test_two_places_of_equal_standing_are_refused(tmp_path, codes):
    with pytest.raises(CTReadError, match=r"two places \(qform, sform\), 5\.0 mm apart"):
        read_ct(write(tmp_path / "ct.nii", RAS, shifted(RAS, 3.0, 4.0, 0), codes))


def test_two_places_half_a_millimetre_apart_are_one(tmp_path):
    assert read_ct(write(tmp_path / "ct.nii", RAS, shifted(RAS, 0.5, 0, 0))).warnings == ()


@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (1, 2)])
@pytest.mark.parametrize(("j_mm", "i_mm"), [(0.6, 0.0), (-0.9, 0.0), (0.5, 0.3)])
def test_a_tilted_scan_is_put_upright_with_every_voxel_in_its_place(tmp_path, codes, j_mm, i_mm):
    form = sheared(RAS, j_mm, i_mm)
    ramp = chest_voxels((24, 40, 48)).astype(float)
    j, i = np.meshgrid(np.arange(40), np.arange(48), indexing="ij")
    ramp[:, 5:35, 5:43] = (-600 + 10 * j + 5 * i)[5:35, 5:43]  # linear in the slice: interpolated without an error
    volume = read_ct(write(tmp_path / "ct.nii", RAS, form, codes, voxels=ramp.astype(np.int16)))
    axes = volume.kji_to_lps[:3, :3] / volume.spacing_mm_kji
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert volume.spacing_mm_kji[0] == pytest.approx(3.0)
    for index_kji in ((3, 12, 20), (12, 20, 24), (20, 25, 30)):
        point = (TO_LPS @ form @ [*index_kji[::-1], 1])[:3]
        k, j, i = world_to_index(volume.kji_to_lps, point)
        assert k == pytest.approx(index_kji[0], abs=1e-3)
        low = volume.voxels[round(k), int(j) : int(j) + 2, int(i) : int(i) + 2].astype(float)
        found = np.array([1 - j % 1, j % 1]) @ low @ np.array([1 - i % 1, i % 1])
        assert found == pytest.approx(-600 + 10 * index_kji[1] + 5 * index_kji[2], abs=1.5)
    assert "gantry tilt" in volume.warnings[0]


@pytest.mark.parametrize("j_mm", [1e-4, 1e-3, 5e-3])
def test_a_shear_as_rounding_leaves_it_is_read_in_silence(tmp_path, j_mm):
    volume = read_ct(write(tmp_path / "ct.nii", sform=sheared(RAS, j_mm), codes=(0, 1)))
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ()


def test_slices_that_are_sheared_themselves_are_refused(tmp_path):
    form = RAS.copy()
    form[0, 1] = 0.5
    with pytest.raises(CTReadError, match=r"ct\.nii: the voxel grid is sheared"):
        read_ct(write(tmp_path / "ct.nii", form, form))


def patched(path, at, values, dtype):
    """The file with other numbers in its header."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        content = bytearray(file.read())
    new = np.array(values, dtype).tobytes()
    content[at : at + len(new)] = new
    with opened(path, "wb") as file:
        file.write(content)
    return path


def test_a_form_that_is_none_does_not_count(tmp_path):
    sform = 280
    volume = read_ct(patched(write(tmp_path / "ct.nii"), sform, [0] * 12, "<f4"))
    np.testing.assert_allclose(volume.kji_to_lps[:3, 3], (-40, -50, -60), atol=1e-4)


PIXDIM, VOX_OFFSET, DIM = 76, 108, 42


@pytest.mark.parametrize("codes", [(1, 0), (1, 1)])
@pytest.mark.parametrize("pixdim", [(0, 2, 3, 3), (3, 2, 3, 3), (1, -2, 3, 3), (0, -2, -3, -3)])
def test_a_qform_holds_whatever_the_signs_of_the_voxel_size(tmp_path, codes, pixdim):
    turned = TURN @ RAS
    path = write(tmp_path / "ct.nii", turned, turned, codes)
    expected = read_ct(path)
    volume = read_ct(patched(path, PIXDIM, pixdim, "<f4"))
    np.testing.assert_allclose(volume.kji_to_lps, expected.kji_to_lps, atol=1e-4)
    np.testing.assert_allclose(volume.kji_to_lps[:3, 2], (TO_LPS @ turned)[:3, 0], atol=1e-4)
    assert volume.warnings == ()


def test_slices_that_follow_to_the_other_side_stay_there(tmp_path):
    to_the_feet = RAS @ np.diag([1, 1, -1.0, 1])
    volume = read_ct(write(tmp_path / "ct.nii", to_the_feet, codes=(1, 0)))
    np.testing.assert_allclose(volume.kji_to_lps[:3, 0], (0, 0, -3), atol=1e-4)


@pytest.mark.parametrize(("version", "at", "dtype"), [(1, VOX_OFFSET, "<f4"), (2, 168, "<i8")])
@pytest.mark.parametrize("offset", [0, 100])
def test_voxels_that_would_begin_in_the_header_are_refused(tmp_path, version, at, dtype, offset):
    path = patched(write(tmp_path / "ct.nii", version=version), at, [offset], dtype)
    with pytest.raises(CTReadError, match=r"ct\.nii: cannot be read"):
        read_ct(path)


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_more_voxels_than_a_patient_has_are_refused_before_memory_is_asked_for(tmp_path, name):
    path = patched(write(tmp_path / name), DIM, [32767] * 3, "<i2")
    with pytest.raises(CTReadError, match=rf"{name}: the scan measures 9\.83e\+04 .* mm, more than any patient"):
        read_ct(path)


def test_nothing_is_said_beside_the_result(tmp_path, capfd):
    volume = read_ct(write(tmp_path / "ct.nii", RAS, shifted(RAS, 0, 0, 5.0), (1, 2)))
    assert len(volume.warnings) == 1
    assert capfd.readouterr() == ("", "")
