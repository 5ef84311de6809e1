"""The panel: what the user does becomes runs and changes of the scene, and the scene is what it shows.

All that is known of a case stands in the scene, so that a scene that is saved and opened again brings it back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import qt
import slicer
import slicer.util

from ...assessment.assess import assessed
from ...assessment.patient import Patient
from ...case import CaseResult
from ...errors import LungCancerDxError
from ...io.result_folder import SCENE_FILE
from ..scene.build import update
from ..scene.ct import nodes_of_class, set_lung_window
from ..scene.segmentation import segment_ids
from .background import Work
from .case_display import CaseDisplay, is_shown
from .case_view import ResultView
from .command import fetch_arguments
from .dependencies import ensure_dicom_packages, ensure_report_packages
from .export import export_case
from .models import PUBLISHED, ModelChoice
from .navigation import NodeWatch, PointPlacing, fit_views, likely_ct, show_ct
from .nodule_table import NoduleView
from .patient import PatientView, reassessed
from .request import (
    CT_EVENTS,
    Scoring,
    ScoringRequest,
    apply_result,
    check_outcome,
    first_request,
    second_request,
    why_unusable,
)
from .runs import Runs
from .state import Parameters, ShownCase, apply_display, can_overrule, latest_case
from .workspace import Point, cached_gb, trim_cache


class Panel:
    """Joins the widgets of the panel to the scene and to the background runs.

    Parameters
    ----------
    ui
        The widgets by name.
    requirements_file
        What has to be installed before the first run.
    """

    def __init__(self, ui: Any, requirements_file: str) -> None:
        self._ui = ui
        self._parameters: Parameters | None = None
        self._case: ShownCase | None = None
        self._runs = Runs(ui, requirements_file, self._update_buttons, self.refresh)
        self._scoring = Scoring(self._show_result)
        self._placing = PointPlacing(self._classify_point, self._update_buttons)
        self._ct_watch = NodeWatch(CT_EVENTS, self._ct_changed)
        self._models = ModelChoice(ui, self._choose_model, self._fetch_model, self._runs.say)
        self._result = ResultView(ui)
        self._nodules = NoduleView(ui, self._go_to, self._tick_later)
        self._patient = PatientView(ui, self._tell_patient)
        self._display = CaseDisplay(self._nodules.select)
        self.entered = True
        self._is_another_ct = False
        self._later = qt.QTimer()  # of no interval: the next turn of the event loop
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._follow_scene)
        ui.detectButton.clicked.connect(self.detect)
        ui.cancelButton.clicked.connect(self.cancel)
        ui.placePointButton.clicked.connect(self._place_point)
        ui.restoreButton.clicked.connect(self._restore)
        ui.lungWindowButton.clicked.connect(self._set_lung_window)
        ui.fitButton.clicked.connect(lambda: fit_views())
        ui.exportButton.clicked.connect(self._export)
        ui.emptyCacheButton.clicked.connect(self._empty_cache)

    # The scene and the panel

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Work with the parameters of a scene; None while there is no scene to work with."""
        self._parameters = parameters
        self._watch_ct()
        if parameters is not None:
            self._show_models()
        self._follow_scene()

    def _follow_scene(self) -> None:
        """Where no CT is chosen, choose the one that the views show; then show what the scene holds."""
        if self._parameters is not None and self._parameters.inputVolume is None:
            self._parameters.inputVolume = likely_ct(slicer.mrmlScene)
        self.refresh()

    def refresh(self) -> None:
        """Show what the scene holds now."""
        self._later.stop()
        before, self._case = self._case, None
        self._watch_ct()
        try:
            self._case = latest_case(self._ct_node)
        except LungCancerDxError as error:
            self._runs.say(str(error))
        nodes = self._case.nodes if self._case is not None else None
        if self._placing.active and (nodes is None or nodes.ct is not self._placing.ct_node):
            self._placing.stop()
        if before is None or nodes is None or nodes.case is not before.nodes.case:
            self._nodules.forget()
        self._display.show(self._case, self._parameters if self._is_looked_at(self._ct_node) else None)
        self._show_case()
        self._update_buttons()

    def _watch_ct(self) -> None:
        """Listen to the CT that is chosen now; what was said of another holds no more."""
        self._is_another_ct |= self._ct_watch.node is not self._ct_node
        if self._is_another_ct and not self._runs.running:
            self._is_another_ct = False
            self._runs.say("")
        self._ct_watch.watch(self._ct_node)

    def node_added(self) -> None:
        """A node came, which may be a CT, where none is chosen yet."""
        if self._ct_node is None:
            self._later.start()

    def node_removed(self) -> None:
        """Refresh at the next turn of the event loop, once, however often the scene changes until then."""
        self._later.start()

    def _ct_changed(self) -> None:
        """The CT may have been moved, or be fit for a run now."""
        self._update_buttons()
        self._later.start()

    def close(self) -> None:
        """Stop everything, before the scene is closed or the panel goes."""
        self._runs.close()
        self._scoring.close()
        self.set_parameters(None)

    @property
    def _ct_node(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        return self._parameters.inputVolume if self._parameters is not None else None

    @property
    def _chosen(self) -> Parameters:
        """The parameters, where there is a scene to work with."""
        assert self._parameters is not None
        return self._parameters

    # Runs

    def detect(self, *_clicked: object) -> None:
        """Detect and score the chosen CT, from the start."""
        self._score(lambda: first_request(self._ct_node, self._chosen))

    def cancel(self, *_clicked: object) -> None:
        """Stop what runs."""
        self._runs.cancel()

    def _score(self, request: Callable[[], ScoringRequest]) -> None:
        """Start a run for a request, made when it starts."""
        self._begin("Handing over the CT", lambda: self._scoring.work(request()), self._why_not)

    def _begin(self, message: str, work: Callable[[], Work], why_not: Callable[[], str]) -> None:
        self._placing.stop()
        self._runs.begin(message, work, why_not)

    def _show_result(self, request: ScoringRequest, result: CaseResult) -> Iterator[None]:
        """Put a run's result into the scene, and go to it where its CT is the chosen one, and the user here or looking
        at it; outlines follow in steps.
        """
        first = request.case is None
        nodes, filling = apply_result(request, result, self._chosen.replaceEarlier)
        self._runs.is_showing = True
        if first:
            set_lung_window(request.ct_node)
        yield
        shown = self._is_awaited(request)
        if shown and first:
            show_ct(request.ct_node)
            fit_views()
        self.refresh()
        if not shown:
            self._display.hide(nodes)
        elif result.nodules and (first or request.has_new_point):
            self._nodules.select(result.nodules[0 if first else -1].rank)
        before = () if first else segment_ids(nodes.segmentation)
        yield from filling
        if not self._is_awaited(request):
            self._display.hide(nodes)
            return
        self._display.show(self._case, self._chosen)
        apply_display(nodes, self._chosen, before)
        if first or request.has_new_point:
            if first:
                fit_views()  # again: in 3D there is more to see now
            if self._nodules.selected_rank is not None:
                self._go_to(self._nodules.selected_rank)

    def _is_awaited(self, request: ScoringRequest) -> bool:
        return request.ct_node is self._ct_node and self._is_looked_at(request.ct_node)

    def _is_looked_at(self, ct_node: slicer.vtkMRMLScalarVolumeNode | None) -> bool:
        """Whether the user is in the module, or sees this CT."""
        return self.entered or (ct_node is not None and is_shown(ct_node))

    # Models

    def _choose_model(self, name: str) -> None:
        self._chosen.model = name

    def _show_models(self) -> None:
        if not self._models.show(self._chosen.model):
            self._chosen.model = ""

    def _fetch_model(self) -> None:
        self._begin("Downloading", self._fetching, self._runs.why_busy)

    def _fetching(self) -> Work:
        outcome = yield fetch_arguments()
        if check_outcome(outcome):
            self._chosen.model = PUBLISHED
            self._show_models()

    # Nodules

    def _go_to(self, rank: int) -> None:
        if self._case is not None:
            self._display.go_to(next(nodule for nodule in self._case.result.nodules if nodule.rank == rank))
            self._patient.show(self._case, rank)

    def _tick_later(self, rank: int, counts: bool) -> None:
        """Not at once: the table is told anew, and its row is still busy with the tick."""
        case = self._case
        qt.QTimer.singleShot(0, lambda: self._tick(case, rank, counts))

    def _tick(self, case: ShownCase | None, rank: int, counts: bool) -> None:
        if self._case is None or case is None or self._case.nodes.case is not case.nodes.case:
            return
        shown, ticked = self._case, self._case.result.scored_ranks
        if shown.is_classified(rank):
            self._overrule(shown, ticked | {rank} if counts else ticked - {rank})
        else:
            self._score(lambda: second_request(shown, self._chosen, rank=rank))
            self._show_case()

    def _overrule(self, case: ShownCase, ranks: Collection[int]) -> None:
        update(slicer.mrmlScene, case.nodes, reassessed(case.result.rescored(ranks)))
        self.refresh()

    def _tell_patient(self, patient: Patient) -> None:
        if self._case is not None:
            update(slicer.mrmlScene, self._case.nodes, assessed(self._case.result, patient))
            self.refresh()

    def _restore(self, *_clicked: object) -> None:
        if self._case is not None and (by_model := self._case.result.by_model) is not None:
            self._overrule(self._case, by_model.scored_ranks)

    def _place_point(self, *_clicked: object) -> None:
        if self._placing.active:
            self._placing.stop()
        elif self._case is not None:
            self._placing.start(self._case.nodes.ct)
        self._update_buttons()

    def _classify_point(self, ct_node: slicer.vtkMRMLScalarVolumeNode, point_lps_mm: Point) -> None:
        case = self._case
        if case is not None and case.nodes.ct is ct_node:
            self._score(lambda: second_request(case, self._chosen, point_lps_mm=point_lps_mm))

    # Display and export

    def _set_lung_window(self, *_clicked: object) -> None:
        if self._ct_node is not None:
            set_lung_window(self._ct_node)

    def _export(self, *_clicked: object) -> None:
        if self._case is None:
            return
        try:
            result, path = self._case.with_caveats, self._ui.exportPathLineEdit.currentPath
            folder, names = export_case(self._case.nodes, result, path)
            others = len(nodes_of_class(slicer.mrmlScene, "vtkMRMLVolumeNode")) - 1
            all_of_it = f" ({SCENE_FILE} with {others} other volumes of the scene)" if others else ""
            self._runs.say(f"Exported to {folder}: {', '.join(names)}{all_of_it}")
            dicom = self._ui.dicomCheckBox.checked
            if dicom or self._ui.reportCheckBox.checked:
                work = self._reporting(self._case, folder, dicom)
                ensure = ensure_dicom_packages if dicom else ensure_report_packages
                self._runs.begin("Writing the report", lambda: work, self._runs.why_busy, ensure)
        except LungCancerDxError as error:
            slicer.util.errorDisplay(str(error), windowTitle="LungCancerDx")

    def _reporting(self, case: ShownCase, folder: Path, dicom: bool) -> Work:
        if (yield from self._scoring.report(case.nodes, folder, dicom)):
            self._runs.done = f"Exported with the report to {folder}"

    def _empty_cache(self, *_clicked: object) -> None:
        trim_cache(0.0)
        self._update_buttons()

    # What is shown

    def _show_case(self) -> None:
        if self._case is None:
            self._result.show(None)
            self._nodules.show(None, 0.0)
            self._patient.show(None, None)
        else:
            result = self._case.result
            self._result.show(self._case.with_caveats)
            self._nodules.show(result, self._chosen.confidence, can_overrule(result))
            self._patient.show(self._case, self._nodules.selected_rank)

    def _update_buttons(self) -> None:
        reason, has_case = self._why_not(), self._case is not None
        self._runs.update(reason)
        self._ui.modelComboBox.enabled = not self._runs.why_busy()
        self._ui.lungWindowButton.enabled = self._ct_node is not None
        self._ui.exportButton.enabled = has_case and not self._runs.why_busy()
        cached = cached_gb()
        self._ui.emptyCacheButton.enabled = cached > 0 and not self._runs.running
        self._ui.emptyCacheButton.text = f"Empty the cache ({cached:.1f} GB)" if cached else "Empty the cache"
        self._ui.placePointButton.enabled = has_case and not reason
        self._ui.placePointButton.text = "Click on the spot…" if self._placing.active else "Classify a point"
        self._ui.restoreButton.enabled = self._case is not None and self._case.result.by_model is not None

    def _why_not(self) -> str:
        """Why nothing can be run now; empty where it can."""
        return self._runs.why_busy() or why_unusable(self._ct_node)
