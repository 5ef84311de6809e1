"""A small scripted module, written as one for Slicer: the harness is proved on it."""

import enum
import sys
from typing import Annotated, Optional

import qt
import slicer
import slicer.util
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *  # noqa: F403
from slicer.util import VTKObservationMixin

CHILD = "import sys, time\nfor n in range(3):\n    print('step', n, flush=True)\ntime.sleep(float(sys.argv[1]))\n"


class Smoothing(enum.Enum):
    NONE = 0
    STRONG = 1


class Sample(ScriptedLoadableModule):  # noqa: F405
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)  # noqa: F405
        self.parent.title = _("Sample")
        self.parent.categories = ["Examples"]
        self.parent.contributors = ["The LungCancerDx contributors"]
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Sample", sampleName="Ones", customDownloader=lambda source: addOnes(source.sampleName)
    )


def addOnes(name):
    import numpy as np

    return slicer.util.addVolumeFromArray(np.ones((4, 5, 6), "int16"), name=name)


@parameterNodeWrapper
class SampleParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    mask: Optional[vtkMRMLScalarVolumeNode]  # noqa: UP045
    threshold: Annotated[float, WithinRange(-1000, 1000)] = 100
    steps: Annotated[int, WithinRange(1, 9)] = 3
    verbose: bool = False
    title: str = "nothing"
    device: Annotated[str, Choice(["auto", "cpu"])] = "auto"
    smoothing: Smoothing = Smoothing.NONE
    ranks: list[int]
    opinions: dict[str, float]
    point: Annotated[tuple[float, float], Default((1.0, 2.0))]


class SampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):  # noqa: F405
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)  # noqa: F405
        VTKObservationMixin.__init__(self)
        self.process = None
        self.lines = []
        self.calls = []
        self._parameterNode = None
        self._guiTag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)  # noqa: F405
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Sample.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SampleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.ui.applyButton.clicked.connect(self.onApply)
        self.ui.startButton.clicked.connect(self.onStart)
        self.ui.progressBar.setRange(0, 3)
        self.ui.table.setColumnCount(2)
        self.ui.table.setHorizontalHeaderLabels([_("Rank"), _("Score")])
        self.initializeParameterNode()

    def enter(self):
        self.calls.append("enter")
        self.initializeParameterNode()

    def exit(self):
        self.calls.append("exit")
        self.setParameterNode(None)

    def cleanup(self):
        self.calls.append("cleanup")
        self.removeObservers()
        if self.process is not None and self.process.state() != qt.QProcess.NotRunning:
            self.process.kill()
            self.process.waitForFinished()

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        # Nodes that the parameter node refers to come after it, and it is not modified once more when they are there.
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.update)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.update)
            self.update()

    def update(self, caller=None, event=None):
        ready = self._parameterNode is not None and self._parameterNode.inputVolume is not None
        self.ui.applyButton.enabled = ready
        self.ui.applyButton.toolTip = _("Compute") if ready else _("Choose a volume")
        self.ui.applyButton.setText(_("Apply") if ready else _("Choose a volume first"))

    def onApply(self):
        with slicer.util.tryWithErrorDisplay(_("Failed to compute."), waitCursor=True):
            mean = self.logic.mean(self._parameterNode.inputVolume)
            self.ui.resultLabel.text = f"mean {mean:.1f}"
            self.ui.table.rowCount = 1
            self.ui.table.setItem(0, 0, qt.QTableWidgetItem("1"))
            self.ui.table.setItem(0, 1, qt.QTableWidgetItem(f"{mean:.1f}"))

    def onStart(self, checked=False, seconds=0.0):
        self.process = qt.QProcess()
        self.process.readyReadStandardOutput.connect(self.onOutput)
        self.process.finished.connect(self.onFinished)
        self.process.start(sys.executable, ["-c", CHILD, str(seconds)])

    def onOutput(self):
        while self.process.canReadLine():  # what arrives at once may end within a line
            self.lines.append(self.process.readLine().data().decode().rstrip())
        self.ui.progressBar.value = len(self.lines)

    def onFinished(self, exitCode, exitStatus):
        crashed = exitStatus != qt.QProcess.NormalExit
        self.ui.resultLabel.text = _("stopped") if crashed else _("finished {code}").format(code=exitCode)


class SampleLogic(ScriptedLoadableModuleLogic):  # noqa: F405
    def getParameterNode(self):
        return SampleParameterNode(super().getParameterNode())

    def mean(self, volume):
        if volume.GetImageData() is None:
            raise ValueError("the volume is empty")
        return float(slicer.util.arrayFromVolume(volume).mean())

    def ensurePackages(self, requirementsFile):
        import slicer.packaging

        requirements = slicer.packaging.load_requirements(requirementsFile)
        slicer.packaging.pip_ensure(requirements, requester="Sample")

    def torchIsThere(self):
        try:
            import PyTorchUtils
        except ModuleNotFoundError:
            slicer.util.errorDisplay(_("Install the PyTorch extension."))
            return False
        logic = PyTorchUtils.PyTorchUtilsLogic()
        return logic.torchInstalled() or logic.installTorch(askConfirmation=True) is not None


class SampleTest(ScriptedLoadableModuleTest):  # noqa: F405
    def runTest(self):
        slicer.mrmlScene.Clear()
        volume = addOnes("self-test")
        self.assertEqual(SampleLogic().mean(volume), 1.0)  # noqa: PT009
        self.delayDisplay("passed")
