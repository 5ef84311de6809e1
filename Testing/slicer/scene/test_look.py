"""What a case's results are called, what they tell and what they look like."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
import slicer
import slicer.util
import vtk

from LungCancerDxLib.slicer.scene.build import show_case, update
from LungCancerDxLib.slicer.scene.ct import volume_node
from LungCancerDxLib.slicer.scene.nodules import UNCLASSIFIED, malignancy_colour
from Testing.slicer.scene import reading
from Testing.slicer.scene.made_case import SCORE_NAME, made_case


def test_points_carry_rank_score_and_figures(scene):
    nodes = reading.shown(scene, made_case())
    assert reading.labels(nodes.markups) == ["1: 0.63", "2: 0.20", "3"]
    assert reading.selected(nodes.markups) == [True, True, False]
    first, _, third = reading.descriptions(nodes.markups)
    assert first.startswith("14.0 mm, solid, left lung, middle third, ")
    assert f"{SCORE_NAME} 0.63" in first
    assert "77 % of the case's score" in first
    assert "not classified" in third
    assert "does not count" in third
    found = reading.measurements(nodes.markups)
    np.testing.assert_array_equal(found["malignancy"], [0.63, 0.2, np.nan])
    np.testing.assert_array_equal(found["contribution"], [0.77, 0.17, np.nan])
    np.testing.assert_array_equal(found["confidence"], [0.957, 0.769, np.nan])
    np.testing.assert_array_equal(found["diameter"], [14.0, 10.0, np.nan])


def test_the_detectors_box_is_not_called_a_diameter(scene):
    made = made_case()
    boxed = replace(made.result.nodules[0], volume_mm3=None, diameter_mm=14.2)
    nodes = reading.shown(scene, replace(made, result=replace(made.result, nodules=(boxed,))))
    (described,) = reading.descriptions(nodes.markups)
    assert described.startswith("about 14.2 mm, not outlined, ")
    assert "diameter" not in reading.measurements(nodes.markups)
    row = dict(zip(*reading.table_rows(nodes.table), strict=True))
    assert (row["Diameter (mm)"], row["Detector's box (mm)"]) == ("", "14.2")


def test_points_are_drawn_in_mm_and_cannot_be_dragged_away(scene):
    markups = reading.shown(scene, made_case()).markups
    assert not markups.GetDisplayNode().GetUseGlyphScale()
    assert not markups.GetLocked()
    assert all(markups.GetNthControlPointLocked(n) for n in range(markups.GetNumberOfControlPoints()))


def test_the_summary_says_whether_confidences_count(scene):
    made = made_case()
    nodes = reading.shown(scene, made)
    assert "weighted" not in nodes.summary.GetText()
    update(scene, nodes, replace(made.result, case=replace(made.result.case, weighted_by_confidence=True)))
    assert "by leaky-noisy-or, weighted by their confidence of detection" in nodes.summary.GetText()


def test_a_score_is_called_what_it_is(scene):
    made = made_case()
    nodes = reading.shown(scene, made)

    def everything():
        texts = [*reading.descriptions(nodes.markups), nodes.case.GetText(), nodes.summary.GetText()]
        return " ".join([*texts, *reading.table_rows(nodes.table)[0], *reading.hierarchy(scene)]).lower()

    assert "probability" not in everything()
    assert SCORE_NAME in nodes.summary.GetText()
    assert "trained on: nothing" in nodes.summary.GetText()
    clinical = replace(made.result, case=replace(made.result.case, score_name="cancer probability"))
    update(scene, nodes, clinical)
    assert "cancer probability 0.63" in everything()
    assert SCORE_NAME not in everything()
    of_readers = replace(made.result.case, score_name="suspicion of the case")
    update(scene, nodes, replace(made.result, case=of_readers, model={**made.result.model, "outcome": "readers"}))
    assert "suspicion, as radiologists rate it 0.63" in everything()
    assert "suspicion of the case" in everything()
    assert "probability" not in everything()


def test_a_lung_of_unknown_side_has_a_segment_that_says_so(scene):
    made = made_case()
    labels = np.where(made.lungs == 1, 3, 0).astype(np.uint8)
    nodules = (replace(made.result.nodules[0], side="unknown"), *made.result.nodules[1:])
    unknown = replace(made, result=replace(made.result, lung_labels=labels, nodules=nodules))
    nodes = reading.shown(scene, unknown)
    assert reading.segments(nodes.segmentation)["Lung"] == "Lung, side unknown"
    assert "side unknown" in reading.descriptions(nodes.markups)[0]


def test_segments_are_named_coloured_tagged_and_have_surfaces(scene):
    nodes = reading.shown(scene, made_case())
    assert reading.segments(nodes.segmentation) == {
        "LeftLung": "Left lung",
        "RightLung": "Right lung",
        "Nodule_1": "Nodule 1",
        "Nodule_2": "Nodule 2",
    }
    inner, display = nodes.segmentation.GetSegmentation(), nodes.segmentation.GetDisplayNode()
    assert inner.GetSegment("Nodule_1").GetColor() == pytest.approx(malignancy_colour(0.63))
    assert display.GetSegmentOpacity3D("LeftLung") < 0.5
    assert not display.GetSegmentVisibility2DOutline("LeftLung")
    assert display.GetSegmentVisibility2DOutline("Nodule_1")
    assert display.GetSegmentOpacity3D("Nodule_1") == 1
    for segment, words in {"LeftLung": ("Lung", "Left"), "Nodule_2": ("Nodule", "Lung")}.items():
        tag = vtk.reference("")
        assert inner.GetSegment(segment).GetTag("TerminologyEntry", tag)
        assert all(f"^{word}" in str(tag) for word in words)
        assert nodes.segmentation.GetClosedSurfaceInternalRepresentation(segment).GetNumberOfPoints() > 100
    geometry = nodes.segmentation.GetNodeReference(nodes.segmentation.GetReferenceImageGeometryReferenceRole())
    assert geometry is nodes.ct


def test_malignancy_runs_from_blue_to_red_and_grey_is_unknown():
    low, high = malignancy_colour(0.0), malignancy_colour(1.0)
    assert low[2] > low[0]
    assert high[0] > high[2]
    assert malignancy_colour(None) == UNCLASSIFIED
    assert len(set(malignancy_colour(None))) == 1


def test_results_are_in_one_folder_beside_the_ct(scene):
    made = made_case()
    ct = volume_node(scene, made.volume, "Chest")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, ct)
    show_case(scene, made.result, ct)
    folder = f"LungCancerDx: 0.72 - {SCORE_NAME}"
    assert reading.hierarchy(scene) == {
        "Study": "Scene",
        "Chest": "Study",
        folder: "Study",
        "Chest case": folder,
        "Chest nodules": folder,
        "Chest segmentation": folder,
        "Chest nodule table": folder,
        "Chest summary": folder,
    }


def test_two_cases_of_one_ct_have_names_of_their_own(scene):
    made = made_case()
    first = reading.shown(scene, made)
    second = show_case(scene, made.result, first.ct)
    assert first.markups.GetName() != second.markups.GetName()


def test_the_table_has_a_row_a_nodule_and_gaps_where_nothing_is_known(scene):
    header, *rows = reading.table_rows(reading.shown(scene, made_case()).table)
    first, _, third = (dict(zip(header, row, strict=True)) for row in rows)
    assert first["Rank"] == "1"
    assert first["Model score (simulated outcomes)"] == "0.630"
    assert first["Diameter (mm)"] == "14.0"
    assert (third["Type"], third["Diameter (mm)"], third["Counts"], third["Source"]) == ("", "", "no", "user")


def test_a_case_without_nodules_or_lungs_is_shown(scene):
    made = made_case()
    empty = np.zeros_like(made.lungs)
    nodes = show_case(
        scene,
        replace(made.result, nodules=(), lung_labels=empty, nodule_labels=empty),
        volume_node(scene, made.volume, "CT"),
    )
    assert reading.segments(nodes.segmentation) == {}
    assert nodes.markups.GetNumberOfControlPoints() == 0
