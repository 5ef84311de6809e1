"""The CT as a volume node, and its frames: MRML is RAS and I J K, the library LPS and K J I."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import slicer
import slicer.util
import vtk

from ...errors import CTReadError, LungCancerDxError
from ...io.checks import to_hounsfield
from ...volume import CTVolume

LUNG_WINDOW_HU = (1500.0, -600.0)
"""Width and level at which lung is read."""

_RIGID = 1e-3  # how far the axes may be from unit length and right angles
_SLICES_A_STEP = 32
_checksums: dict[int, int] = {}  # by the time of the last change, which VTK gives once
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_IJK_TO_KJI = np.eye(4)[[2, 1, 0, 3]]


def ras_mm(point_lps_mm: Sequence[float]) -> tuple[float, float, float]:
    """A point in RAS mm."""
    x, y, z = point_lps_mm
    return -float(x), -float(y), float(z)


def lps_mm(point_ras_mm: Sequence[float]) -> tuple[float, float, float]:
    """A point in LPS mm."""
    return ras_mm(point_ras_mm)


def nodes_of_class(scene: slicer.vtkMRMLScene, name: str) -> list[slicer.vtkMRMLNode]:
    """The nodes of a class and of those derived from it, in the scene's order."""
    return [scene.GetNthNodeByClass(n, name) for n in range(scene.GetNumberOfNodesByClass(name))]


def volume_node(scene: slicer.vtkMRMLScene, volume: CTVolume, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a CT to a scene, in lung window, its voxels copied."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(_LPS_TO_RAS @ volume.kji_to_lps @ _IJK_TO_KJI))
    slicer.util.updateVolumeFromArray(node, volume.voxels)
    set_lung_window(node)
    return node


def world_lps(ct_node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The affine (4, 4) from the frame of a CT's node to the world, LPS mm, where its parent transform is linear."""
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(ct_node.GetParentTransformNode(), None, matrix)
    return np.asarray(_LPS_TO_RAS @ slicer.util.arrayFromVTKMatrix(matrix) @ _LPS_TO_RAS)


def write_ct(ct_node: slicer.vtkMRMLScalarVolumeNode, path: Path) -> Iterator[None]:
    """Write the CT of a volume node as it lies in the world, under its (linear) parent transform, as a raw NRRD.

    A slab a step: SimpleITK, which writes it whole, would hold the window up.

    Raises
    ------
    CTReadError
        Where the node has no voxels, or some that are not numbers.
    OSError
        Where the disk is full or not to be written to.
    """
    name = ct_node.GetName()
    if ct_node.GetImageData() is None or not ct_node.GetImageData().GetNumberOfPoints():
        raise CTReadError(f"'{name}' holds no image. Choose the CT's volume.")
    ijk_to_lps = world_lps(ct_node) @ _ijk_to_lps(ct_node)
    *directions, origin = ("({},{},{})".format(*map(float, column)) for column in ijk_to_lps[:3].T)
    voxels = slicer.util.arrayFromVolume(ct_node)
    header = [
        "NRRD0004",
        "type: int16",
        "dimension: 3",
        "space: left-posterior-superior",
        "sizes: {2} {1} {0}".format(*voxels.shape),
        f"space directions: {' '.join(directions)}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: raw",
        f"space origin: {origin}",
    ]
    with path.open("wb") as file:
        file.write("\n".join([*header, "", ""]).encode())
        for start in range(0, len(voxels), _SLICES_A_STEP):
            slab = to_hounsfield(voxels[start : start + _SLICES_A_STEP], f"'{name}'")
            file.write(slab.astype("<i2").tobytes())
            yield


Grid = tuple[tuple[int, ...], tuple[float, ...]]


def grid_of(ct_node: slicer.vtkMRMLVolumeNode) -> Grid | None:
    """Size of a CT, I J K, and its IJK to RAS matrix, row by row; None without voxels."""
    if ct_node.GetImageData() is None:
        return None
    matrix = vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(matrix)
    return ct_node.GetImageData().GetDimensions(), tuple(slicer.util.arrayFromVTKMatrix(matrix).ravel().tolist())


def voxels_checksum(ct_node: slicer.vtkMRMLVolumeNode) -> int | None:
    """Of a CT's voxels, taken anew where they were changed since; None without voxels."""
    image = ct_node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        return None
    changed = image.GetMTime()
    if changed not in _checksums:
        _checksums[changed] = zlib.crc32(np.ascontiguousarray(slicer.util.arrayFromVolume(ct_node)).data)
    return _checksums[changed]


def volume_like(ct_node: slicer.vtkMRMLVolumeNode, voxels: np.ndarray) -> CTVolume:
    """Voxels (K, J, I), such as a label map, on the grid of a CT in its own frame."""
    return CTVolume(voxels.astype(np.int16), _ijk_to_lps(ct_node) @ _IJK_TO_KJI)


def _ijk_to_lps(ct_node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The affine (4, 4) from the index of a voxel to the frame of its node, LPS mm."""
    ijk_to_ras = vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(ijk_to_ras)
    return np.asarray(_LPS_TO_RAS @ slicer.util.arrayFromVTKMatrix(ijk_to_ras))


def set_lung_window(ct_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a CT as lung is read, in grey; one that a script made may have had no display."""
    ct_node.CreateDefaultDisplayNodes()
    display = ct_node.GetScalarVolumeDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(*LUNG_WINDOW_HU)


def check_rigid(ct_node: slicer.vtkMRMLVolumeNode) -> None:
    """Refuse a CT under a transform that does more than turn and shift: sizes in mm, or sides, would not hold there.

    Raises
    ------
    LungCancerDxError
        Naming the transform and what to do about it.
    """
    parent = ct_node.GetParentTransformNode()
    if parent is None:
        return
    what = "" if parent.IsTransformToWorldLinear() else "non-linear"
    if not what:
        axes = world_lps(ct_node)[:3, :3]
        if not np.allclose(axes.T @ axes, np.eye(3), rtol=0, atol=_RIGID):
            what = "scaling or shearing"
        elif np.linalg.det(axes) < 0:
            what = "mirroring"
    if what:
        raise LungCancerDxError(
            f"The CT {ct_node.GetName()} is under the {what} transform {parent.GetName()}, in which its sizes or sides "
            "do not hold. Take the CT out of it, or harden the transform on a copy of the CT and run on that."
        )


def header_patient(ct_node: slicer.vtkMRMLVolumeNode) -> tuple[float | None, str | None]:
    """Age in years and sex of the patient, by the DICOM header of a CT that came from Slicer's database."""
    file = next(dicom_files(ct_node), "")
    if not file:
        return None, None
    import pydicom

    from ...io.dicom.header import PATIENT_TAGS, patient_of_header

    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=PATIENT_TAGS)
    except (OSError, ValueError):
        return None, None
    return patient_of_header(dataset)


def dicom_files(ct_node: slicer.vtkMRMLVolumeNode) -> Iterator[str]:
    """The files of a CT that came from Slicer's DICOM database, "" for one that is not there any more."""
    database = getattr(slicer, "dicomDatabase", None)
    for uid in (ct_node.GetAttribute("DICOM.instanceUIDs") or "").split():
        yield database.fileForInstance(uid) if database is not None else ""


def follow(node: slicer.vtkMRMLTransformableNode, ct_node: slicer.vtkMRMLVolumeNode) -> None:
    """Put a result under the parent transform of its CT."""
    node.SetAndObserveTransformNodeID(ct_node.GetTransformNodeID())
