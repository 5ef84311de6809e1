"""LungCancerDx in 3D Slicer: load a chest CT, click Detect & Score, browse the nodules.

Only what Slicer asks of a module is here; everything else is in the library LungCancerDxLib.
"""

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if TYPE_CHECKING:
    from LungCancerDxLib.case import CaseResult

_SAMPLE = "SyntheticChestCT"
_CLONE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _findLibrary() -> None:
    """An installed library lies beside this file, where Slicer finds it; in a clone it lies one folder up."""
    if os.path.isdir(os.path.join(_CLONE, "LungCancerDxLib")) and _CLONE not in sys.path:
        sys.path.append(_CLONE)


class LungCancerDx(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Lung Cancer Dx")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = []
        self.parent.contributors = ["The LungCancerDx contributors"]
        self.parent.helpText = _(
            "Proposes lung nodules in a chest CT and scores how suspicious each of them, and the whole case, looks. "
            "Research use only, not for diagnosis. Nothing is sent anywhere. "
            '<a href="https://github.com/LungCancerDx/SlicerLungCancerDx">Documentation</a>'
        )
        self.parent.acknowledgementText = _(
            "Implements Liao et al., Evaluate the Malignancy of Pulmonary Nodules Using the 3D Deep Leaky Noisy-or "
            "Network, IEEE Transactions on Neural Networks and Learning Systems (2019)."
        )
        _findLibrary()
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer a synthetic patient in Sample Data; it is made on the spot.

    Slicer compares the lengths of the lists, although nothing is downloaded. A failure costs the sample, no more.
    """
    icons = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Resources", "Icons")
    try:
        import SampleData

        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="LungCancerDx",
            sampleName=_SAMPLE,
            uris=["https://github.com/LungCancerDx/SlicerLungCancerDx"],
            fileNames=[f"{_SAMPLE}.nrrd"],
            nodeNames=[_SAMPLE],
            thumbnailFileName=os.path.join(icons, "LungCancerDx.png"),
            customDownloader=makeSyntheticPatient,
        )
    except Exception as error:
        logging.warning("LungCancerDx's Sample Data could not be registered: %s", error)


def makeSyntheticPatient(source: Any = None) -> Any:
    """The custom downloader of the synthetic patient; returns the volume node."""
    import numpy as np

    from LungCancerDxLib.phantom.patient import synthetic_chest
    from LungCancerDxLib.slicer.panel.navigation import fit_views, show_ct
    from LungCancerDxLib.slicer.scene.ct import volume_node

    scene = slicer.mrmlScene
    volume = synthetic_chest(np.random.default_rng(1)).volume
    ctNode = volume_node(scene, volume, scene.GenerateUniqueName(_SAMPLE))
    show_ct(ctNode)
    fit_views()
    return ctNode


class LungCancerDxWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Loads the panel and tells it what happens to the scene."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: Any = None
        self.panel: Any = None
        self._parameterNode: Any = None
        self._guiTag: Any = None

    def setup(self) -> None:
        """Load the widgets; works without a main window."""
        ScriptedLoadableModuleWidget.setup(self)
        from LungCancerDxLib.slicer.panel.panel import Panel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/LungCancerDx.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = LungCancerDxLogic()
        self.panel = Panel(self.ui, self.resourcePath("requirements.txt"))
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneChanged)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.addObserver(scene, scene.EndBatchProcessEvent, self.onNodeRemoved)
        self.initializeParameterNode()

    def enter(self) -> None:
        """The user comes to the module."""
        self.panel.entered = True
        self.initializeParameterNode()

    def exit(self) -> None:
        """The user goes elsewhere; a run goes on."""
        self.panel.entered = False
        self.disconnectParameterNode()

    def cleanup(self) -> None:
        """The application ends or the module is reloaded."""
        self.disconnectParameterNode()
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()

    def onSceneStartClose(self, caller: Any, event: Any) -> None:
        self.panel.close()
        self.setParameterNode(None)

    def onSceneChanged(self, caller: Any, event: Any) -> None:
        self.initializeParameterNode()

    def onNodeAdded(self, caller: Any, event: Any) -> None:
        if self._parameterNode is not None and not slicer.mrmlScene.IsBatchProcessing():
            self.panel.node_added()

    def onNodeRemoved(self, caller: Any, event: Any) -> None:
        if self._parameterNode is not None and not slicer.mrmlScene.IsBatchProcessing():
            self.panel.node_removed()

    def initializeParameterNode(self) -> None:
        """Work with this scene's parameters."""
        self.setParameterNode(self.logic.getParameterNode())

    def disconnectParameterNode(self) -> None:
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self._parameterNode = None

    def setParameterNode(self, parameterNode: Any) -> None:
        self.disconnectParameterNode()
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self.panel.set_parameters(parameterNode)

    def onParametersModified(self, caller: Any, event: Any) -> None:
        self.panel.refresh()


class LungCancerDxLogic(ScriptedLoadableModuleLogic):
    """The parameters of the scene. Runs and results are the panel's, in LungCancerDxLib."""

    def getParameterNode(self) -> Any:
        from LungCancerDxLib.slicer.panel.state import Parameters

        return Parameters(super().getParameterNode())  # type: ignore[call-arg]


class LungCancerDxTest(ScriptedLoadableModuleTest):
    """For the real application; needs neither a main window nor trained weights."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        self.setUp()
        self.test_a_known_case_is_shown_overruled_and_removed()

    def test_a_known_case_is_shown_overruled_and_removed(self) -> None:
        """A synthetic patient's case in the scene, overruled, gone to, and out of it again."""
        from LungCancerDxLib.slicer.panel.navigation import jump_to, world_ras_mm
        from LungCancerDxLib.slicer.scene.build import find_cases, remove, show_case, update
        from LungCancerDxLib.slicer.scene.ct import volume_node
        from LungCancerDxLib.slicer.scene.text import case_result

        scene = slicer.mrmlScene
        self.delayDisplay("Making a synthetic patient")
        result = trueCase()
        assert result.volume is not None
        nodes = show_case(scene, result, volume_node(scene, result.volume, "Synthetic CT"))
        assert nodes.markups.GetNumberOfControlPoints() == len(result.nodules)
        assert nodes.segmentation.GetSegmentation().GetNumberOfSegments() == 2 + len(result.nodules)

        overruled = result.rescored({1})
        update(scene, nodes, overruled)
        assert case_result(nodes.case) == overruled

        jump_to(nodes, result.nodules[0])
        assert abs(world_ras_mm(nodes, result.nodules[0])[2] - result.nodules[0].center_lps_mm[2]) < 1e-6

        remove(scene, nodes)
        assert find_cases(scene) == []
        self.delayDisplay("Test passed")


def trueCase() -> "CaseResult":
    """A small synthetic patient, each true nodule as a box that counts with the same malignancy."""
    import numpy as np

    from LungCancerDxLib.case import Case, CaseResult, Nodule
    from LungCancerDxLib.phantom.patient import synthetic_chest
    from LungCancerDxLib.volume import world_to_index

    patient = synthetic_chest(np.random.default_rng(1), spacing_mm_kji=(4.0, 3.0, 3.0))
    labels = np.zeros(patient.volume.shape_kji, np.uint8)
    for rank, nodule in enumerate(patient.nodules, start=1):
        k, j, i = np.rint(world_to_index(patient.volume.kji_to_lps, np.array(nodule.center_lps_mm))).astype(int)
        labels[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2] = rank
    nodules = [
        Nodule(rank, "detected", nodule.center_lps_mm, diameter_mm=nodule.diameter_mm, malignancy=0.3)
        for rank, nodule in enumerate(patient.nodules, start=1)
    ]
    return CaseResult(
        software={},
        model={"name": "truth", "sha256": "", "preset": "DEFAULT", "outcome": "none", "trained_on": "nothing"},
        run={},
        input={},
        case=Case(0.0, "no trained model, scores mean nothing", "leaky-noisy-or", 0.05, None, 0, None, None, 0),
        lungs={},
        nodules=tuple(nodules),
        timing_s={},
        warnings=(),
        volume=patient.volume,
        lung_labels=patient.lungs,
        nodule_labels=labels,
    ).rescored(range(1, len(nodules) + 1))
