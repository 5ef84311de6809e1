"""Scans and results as the tests of the command write and read them."""

import json

import numpy as np

from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.volume import CTVolume
from Testing.helpers import affine

FILES = ["case.json", "lungs.nrrd", "nodules.nrrd"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def case(folder):
    return json.loads((folder / "case.json").read_text())


def write_ct(path, voxels, spacing=3.0):
    write_volume(CTVolume(voxels.astype(np.int16), affine(np.eye(3)[::-1] * spacing, np.zeros(3))), path)
    return str(path)


def head():
    """An ellipsoid of brain in a skull, with two small sinuses, in air."""
    z, y, x = np.moveaxis((np.indices((64, 80, 70)).T - np.array([32, 40, 35])).T * 3.0, 0, 0)
    radius = np.sqrt((z / 80) ** 2 + (y / 95) ** 2 + (x / 75) ** 2)
    voxels = np.where(radius < 0.9, 35, np.where(radius < 1, 900, -1000))
    for side in (-1, 1):
        sinus = np.sqrt((z + 30) ** 2 + (y + 55) ** 2 + (x - 25 * side) ** 2) < 15
        voxels[sinus] = -1000
    return voxels
