"""What is known of the patient, in the panel: told by hand, kept with the case, never required."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import qt

from ...assessment.assess import Assessment, assess, assessed
from ...assessment.dictation import dictated
from ...assessment.patient import FEMALE, INCIDENTAL, MALE, SCREENING, Patient
from ...case import CaseResult
from ...errors import UsageError
from ..scene.validity import caveats
from .state import ShownCase

_NOT_KNOWN = "not known"
_YES_NO = {_NOT_KNOWN: None, "yes": True, "no": False}
_SEXES = {_NOT_KNOWN: None, FEMALE: FEMALE, MALE: MALE}
_SETTINGS = {_NOT_KNOWN: None, SCREENING: SCREENING, INCIDENTAL: INCIDENTAL}
_OF_PATIENT: dict[str, tuple[str, dict[str, Any]]] = {
    "sex": ("sexComboBox", _SEXES),
    "setting": ("settingComboBox", _SETTINGS),
    "family_history": ("familyHistoryComboBox", _YES_NO),
    "emphysema": ("emphysemaComboBox", _YES_NO),
    "smoker": ("smokerComboBox", _YES_NO),
    "earlier_cancer": ("earlierCancerComboBox", _YES_NO),
}
_OF_NODULE: dict[str, tuple[str, dict[str, Any]]] = {
    "upper_lobe": ("upperLobeComboBox", _YES_NO),
    "spiculated": ("spiculatedComboBox", _YES_NO),
}
"""What is chosen from a list: the widget, and the values by what they are called."""

_NUMBERS = {"age_years": "ageSpinBox", "nodule_count": "noduleCountSpinBox"}  # 0: not known


class PatientView:
    """Shows what is known of the patient and what follows from it, and reports what the user tells.

    Parameters
    ----------
    on_told
        Called with the patient as it is known now.
    """

    def __init__(self, ui: Any, on_told: Callable[[Patient], None]) -> None:
        self._ui = ui
        self._on_told = on_told
        self._case: ShownCase | None = None
        self._rank: int | None = None
        self._writing = False
        for name, values in {**_OF_PATIENT, **_OF_NODULE}.values():
            for label in values:
                getattr(ui, name).addItem(label)
            getattr(ui, name).activated.connect(self._tell)
        for name in _NUMBERS.values():
            getattr(ui, name).setKeyboardTracking(False)
            getattr(ui, name).valueChanged.connect(self._tell)
        ui.copyButton.clicked.connect(self._copy)

    def show(self, case: ShownCase | None, rank: int | None) -> None:
        """Show a case, or that there is none, and what is known of the nodule of this rank."""
        self._case, self._rank = case, rank
        result = case.result if case is not None else None
        self._ui.patientCollapsibleButton.enabled = result is not None
        patient = patient_of(result) if result is not None else Patient()
        facts = patient.facts(rank) if rank is not None else None
        self._writing = True
        for source, fields in ((patient, _OF_PATIENT), (facts, _OF_NODULE)):
            for field, (name, values) in fields.items():
                box = getattr(self._ui, name)
                box.setCurrentIndex(list(values.values()).index(getattr(source, field) if source else None))
                box.enabled = source is not None
        for field, name in _NUMBERS.items():
            getattr(self._ui, name).value = round(getattr(patient, field) or 0)
        self._writing = False
        self._ui.noduleFactsLabel.text = "Selected nodule:" if rank is None else f"Nodule {rank}:"
        self._ui.assessmentLabel.text = "" if result is None else assessment_text(assess(result, patient), rank)

    def _tell(self, *_value: object) -> None:
        if self._writing or self._case is None:
            return
        patient = replace(patient_of(self._case.result), **self._chosen(_OF_PATIENT))
        numbers: dict[str, Any] = {field: getattr(self._ui, name).value or None for field, name in _NUMBERS.items()}
        if numbers["age_years"] == round(patient.age_years or 0):
            numbers["age_years"] = patient.age_years  # months of a header are not lost to whole years
        patient = replace(patient, **numbers)
        if self._rank is not None:
            facts = replace(patient.facts(self._rank), **self._chosen(_OF_NODULE))
            patient = replace(patient, nodules={**patient.nodules, self._rank: facts})
        self._on_told(patient)

    def _chosen(self, fields: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
        return {
            field: list(values.values())[getattr(self._ui, name).currentIndex]
            for field, (name, values) in fields.items()
        }

    def _copy(self, *_clicked: object) -> None:
        if self._case is not None:
            text = "\n".join([*caveats(self._case.nodes), dictated(self._case.result)])
            qt.QApplication.clipboard().setText(text)


def patient_of(result: CaseResult) -> Patient:
    """What is known of a case's patient; nothing where the scene is damaged there."""
    try:
        return Patient.from_table(result.patient)
    except UsageError:
        return Patient()


def reassessed(result: CaseResult) -> CaseResult:
    """The case with what follows from what is known of its patient, once its nodules count otherwise."""
    return assessed(result, patient_of(result))


def assessment_text(assessment: Assessment, rank: int | None) -> str:
    """The scan's category, and what is said of a nodule."""
    lines = [f"Lung-RADS of the scan: {assessment.scan_category}"] if assessment.lung_rads else []
    found = None if rank is None else assessment.of(rank)
    if found is not None:
        lines += [f"Nodule {rank}: Lung-RADS {each.name} suggested. {each.rule}." for each in found.lung_rads]
        lines.append(f"{found.brock.name}: {found.brock.full_text}")
        lines += [f"{found.mayo.name}: {found.mayo.full_text}", *found.mayo.remarks] if found.mayo is not None else []
        lines += [f"Fleischner: {each.text} ({each.rule})" for each in found.fleischner]
        lines += [*found.brock.remarks, *found.remarks]
    elif rank is not None:
        lines.append(f"Nodule {rank} is not assessed: it does not count, or was not outlined.")
    return "\n".join([*lines, *assessment.remarks])
