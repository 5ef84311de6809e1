"""Images in folders and under names whose bytes are not UTF-8, as old Latin-1 archives have them."""

import os
import sys

import numpy as np
import pytest

from LungCancerDxLib.io.image_file import read_array, read_image_file, write_image, write_volume
from LungCancerDxLib.io.tables import write_table
from Testing.helpers import chest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
LATIN_1 = os.fsdecode(b"J\xfcrgen")


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.nii.gz", "ct.mhd", f"{LATIN_1}.nrrd", f"{LATIN_1}.nii"])
def test_a_volume_is_written_and_read(tmp_path, name):
    folder = tmp_path / LATIN_1
    folder.mkdir()
    write_volume(chest().volume, folder / name)
    again = read_image_file(folder / name)
    np.testing.assert_array_equal(again.voxels, chest().volume.voxels)
    assert again.info["path"] == str(folder / name)
    assert (folder / name).is_file()
    assert not (folder / name).is_symlink()


@pytest.mark.parametrize("ending", [".mhd", ".nhdr"])
def test_a_header_is_read_with_the_voxels_beside_it(tmp_path, ending):
    write_volume(chest().volume, tmp_path / f"ct{ending}")
    (tmp_path / f"ct{ending}").rename(tmp_path / f"{LATIN_1}{ending}")
    again = read_image_file(tmp_path / f"{LATIN_1}{ending}")
    np.testing.assert_array_equal(again.voxels, chest().volume.voxels)


def test_label_maps_are_written_and_read(tmp_path):
    path = tmp_path / LATIN_1 / "lungs.nrrd"
    path.parent.mkdir()
    write_image(chest().lungs, chest().volume, path)
    np.testing.assert_array_equal(read_array(path), chest().lungs)


def test_a_table_that_names_such_a_path_can_be_read_by_any_program(tmp_path):
    write_table(tmp_path / "table.csv", ("path",), [[tmp_path / LATIN_1]])
    assert (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()[1].endswith("J\\udcfcrgen")
