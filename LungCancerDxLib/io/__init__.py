"""Reading a chest CT, whatever its format: `read_ct(path)` gives a `CTVolume` or says why it cannot.

SimpleITK and pydicom are loaded when a CT is read: who needs tables alone does without them.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import CTReadError, cannot_be_opened
from ..volume import CTVolume

__all__ = ["read_ct"]


def read_ct(path: str | os.PathLike[str]) -> CTVolume:
    """Read a chest CT.

    Parameters
    ----------
    path
        A DICOM folder (nested folders and foreign files allowed), a multi-frame DICOM file, or a NIfTI, NRRD or
        MetaImage file.

    Returns
    -------
    CTVolume
        int16 Hounsfield units (K, J, I), not below -1024, on an evenly spaced orthogonal grid; its affine takes
        (k, j, i, 1) to LPS mm. `warnings` tells what was chosen or repaired on the way.

    Raises
    ------
    CTReadError
        Where there is no readable chest CT; the message names the file, what was found, and what to do.
    """
    from .dicom import read_dicom_file, read_dicom_folder
    from .image_file import image_extension, read_image_file

    path = Path(path)
    try:
        if path.is_dir():
            return read_dicom_folder(path)
        if path.is_symlink() and not path.exists():
            raise CTReadError(f"{path}: a link to a file that is not here; fetch its content first.")
        if not path.exists():
            raise CTReadError(f"{path}: no such file or folder; check the path.")
        return read_image_file(path) if image_extension(path) else read_dicom_file(path)
    except OSError as error:
        raise cannot_be_opened(path, error) from error
