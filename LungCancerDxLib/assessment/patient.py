"""What the user knows of the patient and of single nodules; nothing is required, and nothing is guessed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ..entries import ANY_NUMBER, problem
from ..errors import UsageError

FEMALE, MALE = "female", "male"
SCREENING, INCIDENTAL = "screening", "incidental"
AIRWAY_SUBSEGMENTAL, AIRWAY_SEGMENTAL, JUXTAPLEURAL = "airway-subsegmental", "airway-segmental", "juxtapleural"
PARENCHYMA = "parenchyma"
BASELINE, NEW, STABLE, GROWING, SLOWLY = "baseline", "new", "stable", "growing", "slowly-growing"
STATUSES = (BASELINE, NEW, STABLE, GROWING, SLOWLY)
"""What a nodule is against earlier scans; `slowly-growing`: over several scans, by less than what counts as growth."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "sex": (FEMALE, MALE),
    "setting": (SCREENING, INCIDENTAL),
    "place": (PARENCHYMA, AIRWAY_SUBSEGMENTAL, AIRWAY_SEGMENTAL, JUXTAPLEURAL),
    "status": STATUSES,
}
_RANGES: dict[str, tuple[float, float]] = {
    "age_years": (0.0, 120.0),
    "nodule_count": (1, 1000),
    "months_since_prior": (0.0, 600.0),
    "prior_diameter_mm": (0.0, 300.0),
    "solid_component_mm": (0.0, 300.0),
    "prior_solid_component_mm": (0.0, 300.0),
}


@dataclass(frozen=True)
class NoduleFacts:
    """What the user saw of a nodule that is not measured; None where it is not known.

    Parameters
    ----------
    upper_lobe
        Whether it lies in an upper lobe (the lingula is one). It is not measured: thirds of the lung are no lobes.
    spiculated
        Whether its margin is spiculated.
    suspicious
        Whether anything else makes it more suspicious (Lung-RADS 4X).
    solid_component_mm
        Mean diameter of the solid part; more than 0 makes a nodule part-solid, 0 one of ground glass, whatever is
        measured.
    benign_calcification
        Whether it is calcified in a benign pattern: complete, central, popcorn, concentric rings; true makes a nodule
        calcified, whatever is measured.
    place
        In the lung's tissue, in an airway, or juxtapleural with a smooth, oval, lentiform or triangular shape.
    prior_diameter_mm
        Its mean diameter in the earlier scan; 0 where it was not there. Other sizes need `months_since_prior`.
    prior_solid_component_mm
        Mean diameter of its solid part in the earlier scan; 0 where it had none.
    status
        What it is against earlier scans, where the user says so; else it follows from the earlier diameter.
    """

    upper_lobe: bool | None = None
    spiculated: bool | None = None
    suspicious: bool | None = None
    solid_component_mm: float | None = None
    benign_calcification: bool | None = None
    place: str | None = None
    prior_diameter_mm: float | None = None
    prior_solid_component_mm: float | None = None
    status: str | None = None

    @property
    def known(self) -> dict[str, Any]:
        """What is known, by name."""
        return _known(asdict(self))


@dataclass(frozen=True)
class Patient:
    """What is known of the patient; None where it is not.

    Parameters
    ----------
    sex
        "female" or "male".
    setting
        "screening" (Lung-RADS) or "incidental" (Fleischner); None: both are given.
    family_history
        Of lung cancer.
    emphysema
        Seen on the CT.
    smoker
        Now or ever.
    earlier_cancer
        A cancer outside the chest, diagnosed more than five years ago (Mayo).
    known_cancer, immunosuppressed
        Either takes the patient out of the Fleischner recommendations.
    high_risk
        Of lung cancer, as a clinician judges it (Fleischner).
    nodule_count
        Of the whole scan, as a radiologist counts.
    months_since_prior
        Since the earlier scan that nodules are compared with; None: there is none.
    nodules
        By rank.
    """

    age_years: float | None = None
    sex: str | None = None
    setting: str | None = None
    family_history: bool | None = None
    emphysema: bool | None = None
    smoker: bool | None = None
    earlier_cancer: bool | None = None
    known_cancer: bool | None = None
    immunosuppressed: bool | None = None
    high_risk: bool | None = None
    nodule_count: int | None = None
    months_since_prior: float | None = None
    nodules: Mapping[int, NoduleFacts] = field(default_factory=dict)

    def facts(self, rank: int) -> NoduleFacts:
        """What is known of a nodule."""
        return self.nodules.get(rank, NoduleFacts())

    def completed(self, age_years: float | None, sex: str | None) -> Patient:
        """With age and sex of another source where they are not given."""
        return replace(
            self,
            age_years=age_years if self.age_years is None else self.age_years,
            sex=self.sex or sex,
        )

    def to_table(self) -> dict[str, Any]:
        """What is known, as it stands in `case.json` and in a `--patient` file; nothing that is not known."""
        table = _known({name: value for name, value in asdict(self).items() if name != "nodules"})
        nodules = {str(rank): facts.known for rank, facts in sorted(self.nodules.items())}
        nodules = {rank: facts for rank, facts in nodules.items() if facts}
        return {**table, "nodules": nodules} if nodules else table

    @staticmethod
    def from_table(table: object, source: str = "patient") -> Patient:
        """Read what `to_table` gives.

        Parameters
        ----------
        source
            What the table is called in a message.

        Raises
        ------
        UsageError
            For a name that is not known, a value that its entry does not take, or a nodule named twice.
        """
        if not isinstance(table, Mapping):
            raise UsageError(f'{source}: expected a table such as {{"age_years": 66, "sex": "female"}}.')
        nodules = table.get("nodules") or {}
        if not isinstance(nodules, Mapping):
            raise UsageError(f'{source}: "nodules" is a table by rank, such as {{"1": {{"upper_lobe": true}}}}.')
        facts = {
            _rank(rank, source): NoduleFacts(**_checked(NoduleFacts, known, f"{source}: nodule {rank}"))
            for rank, known in nodules.items()
        }
        if len(facts) < len(nodules):
            raise UsageError(f"{source}: a nodule is named twice among {', '.join(map(str, nodules))}; name it once.")
        rest = {name: value for name, value in table.items() if name != "nodules"}
        return Patient(**_checked(Patient, rest, source), nodules=facts)

    @staticmethod
    def from_json(text: str, source: str) -> Patient:
        """Read the content of a `--patient` file.

        Raises
        ------
        UsageError
        """
        try:
            table = json.loads(text, object_pairs_hook=partial(_table, source))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{source} is no JSON ({error}).") from error
        return Patient.from_table(table, source)


def read_patient(path: Path) -> Patient:
    """Read a `--patient` file.

    Raises
    ------
    UsageError
        Where it cannot be read, or holds what is not known of patients.
    """
    try:
        return Patient.from_json(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"{path}: cannot be read ({reason}); check the path.") from error


def _table(source: str, entries: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table of JSON, which may not have an entry twice: one of them would be lost."""
    table = dict(entries)
    if len(table) < len(entries):
        twice = next(name for name, count in Counter(name for name, _ in entries).items() if count > 1)
        raise UsageError(f"{source}: {twice!r} is there twice; give it once.")
    return table


def _known(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value is not None}


def _rank(text: object, source: str) -> int:
    if not (isinstance(text, str) and text.isdecimal()) and not isinstance(text, int):
        raise UsageError(f"{source}: nodules are named by their rank, a whole number, not {text!r}.")
    return int(text)


def _checked(kind: type, table: object, source: str) -> dict[str, Any]:
    """The entries of a table, each of the type and within the bounds that its field takes."""
    if not isinstance(table, Mapping):
        raise UsageError(f"{source}: expected a table of what is known.")
    hints = get_type_hints(kind)
    names = [each.name for each in fields(kind) if each.name != "nodules"]
    for name, value in table.items():
        if name not in names:
            raise UsageError(f"{source}: {name!r} is not known; known are {', '.join(names)}.")
        limits = _CHOICES.get(name, ()), _RANGES.get(name, ANY_NUMBER)
        if why := problem(value, get_args(hints[name]), *limits):
            raise UsageError(f"{source}: {name} is {value!r}; {why}.")
    return dict(table)
