"""Cases put together from real nodules: positive where the readers rated one over 3, or by a leak of known size.

The features of one crop of every nodule of a bank, of the detector's false alarms and of plain lung are computed once;
a case is a handful of these. It has a Poisson number of nodules, and with a probability that is known another one,
rated over 3, which is not shown. Thinned Poisson numbers are independent, so this is what a detector does that misses
some nodules at random, and what Eq. 5 takes for granted: the leak says nothing about what is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from ...datasets.nodule_bank import BankNodule
from ...errors import UsageError
from ...models.bundle import Model
from ...networks.inference import prepare_for_inference
from ...networks.nnet import FEATURE_CHANNELS
from ...runtime.device import Compute
from ...runtime.npz import Arrays
from ...runtime.progress import Progress, part, silent
from ..cases.proposals import find_proposals
from ..cases.real_nodules import learnable, refuse_test_scans
from ..cases.store import CaseCache, CaseStore, refuse_other_preset
from ..classifier.features import CaseFeatures, blank_feature, central_feature
from ..classifier.held_out import held_out
from ..classifier.rated_crops import Background, Rated, draw_voxel, without_nodule
from ..classifier.readers import FALSE_ALARM_ABOVE_LOGIT

PLAIN_LUNG = 20  # crops of each scan
OVER = 3  # a rating above makes a case positive
_FOUND_SHARE = 0.1  # of the progress


class BankFeatures(NamedTuple):
    """What the nodules of a bank, and crops without one, look like to the backbone, by the scan that they lie in.

    Parameters
    ----------
    nodules, rating
        (N, 128) float32 and (N,) of one crop of each nodule, with the readers' malignancy.
    others
        (M, 128) of false alarms and plain lung.
    """

    nodules: np.ndarray
    rating: np.ndarray
    others: np.ndarray


@dataclass(frozen=True)
class CaseMix:
    """How cases are put together.

    Parameters
    ----------
    learned, held_out
        How many cases of each kind.
    nodules, false_alarms
        Poisson means: shown nodules of a case, and what is shown beside one false alarm that every case has.
    """

    learned: int = 600
    held_out: int = 400
    nodules: float = 1.0
    false_alarms: float = 1.0


class KnownFeatures(NamedTuple):
    """Cases of known outcome as features.

    Parameters
    ----------
    labels, learned
        (C,) bool: the outcome, and whether the case is learned from or held out.
    causes
        Of each case (K,) bool, which proposals make it positive; None where that is not known.
    blank
        (128,) the feature of a blank.
    """

    ids: tuple[str, ...]
    cases: Sequence[CaseFeatures]
    labels: np.ndarray
    learned: np.ndarray
    causes: Sequence[np.ndarray] | None
    blank: np.ndarray


def bank_features(
    scans: CaseStore,
    bank: Sequence[BankNodule],
    model: Model,
    compute: Compute,
    progress: Progress = silent,
) -> tuple[list[BankFeatures], np.ndarray]:
    """What each scan's nodules and false alarms look like to the model's detector, kept beside the scans; and a blank.

    The nodules of one fold of the bank lie in one scan, so that whoever holds both out has seen neither. Cubes are left
    out, and nodules that find no place.

    Raises
    ------
    UsageError
        Where the scans are of another preset than the model, for tests only, or fewer than two.
    """
    _check(scans, model)
    preset = model.preset
    nodules = [nodule for nodule in learnable(bank, None)[0] if not nodule.is_cube]
    searching, seeing = part(progress, 0.0, _FOUND_SHARE), part(progress, _FOUND_SHARE, 1.0)
    found = find_proposals(scans, model.detector, model.sha256, preset, compute, searching)
    ready = prepare_for_inference(model.detector, preset, compute)

    def of_crops(crops: Sequence[Rated], progress: Progress, start: float, end: float) -> np.ndarray:
        rows = np.zeros((len(crops), FEATURE_CHANNELS), dtype=np.float32)
        for n, crop in enumerate(crops):
            progress("computing features of nodules", start + (end - start) * n / len(crops))
            rows[n] = central_feature(ready, crop.image, crop.location, preset, compute)
        return rows

    def of_scan(number: int, progress: Progress) -> Arrays:
        rng, alarms = np.random.default_rng([number, 11]), found[number]
        alarms = alarms[alarms.logit > FALSE_ALARM_ABOVE_LOGIT]
        scan = Background.of(scans.case(number), alarms.center_kji, preset)
        shown = held_out(scan, [one for one in nodules if one.fold % len(scans) == number], preset, number, 0)
        places = [*scan.false_alarms, *(draw_voxel(rng, scan) for _ in range(PLAIN_LUNG))]
        without = [without_nodule(scan, center, preset) for center in places]
        return {
            "nodules": of_crops(shown.crops, progress, 0.0, 0.8),
            "rating": np.array([nodule.malignancy for nodule in shown.nodules], dtype=int),
            "others": of_crops(without, progress, 0.8, 1.0),
        }

    decided_by = {
        "detector": model.sha256,
        "nodules": [(nodule.id, nodule.fold, nodule.malignancy) for nodule in nodules],
        "scans": scans.names,
        "preset": asdict(preset),
        "precision": compute.precision,
    }
    rows = CaseCache(scans, "bank-features", decided_by, BankFeatures._fields).of_all(of_scan, seeing)
    return [BankFeatures(**row) for row in rows], blank_feature(ready, preset, compute)


def _check(scans: CaseStore, model: Model) -> None:
    refuse_test_scans(scans.names, scans.folder)
    refuse_other_preset(scans, model)
    if len(scans) < 2:
        raise UsageError(f"{scans.folder} has one scan; cases are held out together with their scan, so give several.")


def bank_cases(
    features: Sequence[BankFeatures], blank: np.ndarray, leak: float, slots: int, mix: CaseMix, seed: int
) -> KnownFeatures:
    """Cases of the scans but one, to learn from, and of that one, held out: the scan of the seed's number, in turn.

    Cases of one seed differ between leaks in their labels alone: those of a smaller leak are positive with a larger.

    Raises
    ------
    UsageError
        Where one of the two parts has no nodules, or nothing that is none.
    """
    out = seed % len(features)
    learned = _together([rows for n, rows in enumerate(features) if n != out])
    parts = ((True, mix.learned, learned), (False, mix.held_out, features[out]))
    rng = np.random.default_rng([seed, 23])
    cases, labels, causes = [], [], []
    for _, count, rows in parts:
        if not (len(rows.nodules) and len(rows.others)):
            raise UsageError(
                f"Fold {out} and the rest have {len(rows.nodules)} nodules and {len(rows.others)} crops without one; "
                "expected some of each. Give more scans, or a bank with nodules in every fold."
            )
        for _ in range(count):
            shown = min(rng.poisson(mix.nodules), slots - 1, len(rows.nodules))
            beside = min(1 + rng.poisson(mix.false_alarms), slots - shown, len(rows.others))
            chosen = rng.choice(len(rows.nodules), shown, replace=False)
            drawn = [rows.nodules[chosen], rows.others[rng.choice(len(rows.others), beside, replace=False)]]
            is_nodule = np.arange(shown + beside) < shown
            is_cause = np.append(rows.rating[chosen] > OVER, np.zeros(beside, dtype=bool))
            cases.append(CaseFeatures(np.concatenate(drawn)[:, None], np.zeros(shown + beside), is_nodule))
            labels.append(bool(is_cause.any() | (rng.random() < leak)))
            causes.append(is_cause)
    learned_from = np.repeat([is_learned for is_learned, *_ in parts], [count for _, count, _ in parts])
    ids = tuple(f"{seed}-{number}" for number in range(len(cases)))
    return KnownFeatures(ids, cases, np.array(labels), learned_from, causes, blank)


def _together(parts: Sequence[BankFeatures]) -> BankFeatures:
    return BankFeatures(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
