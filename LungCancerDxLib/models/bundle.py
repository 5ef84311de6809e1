"""A model is a folder: `model.json` says what it is, `weights.safetensors` holds the numbers of both networks.

Where detector and classifier have the same backbone its numbers are stored once, with the detector; those of a late
fusion are there, too. The folder may hold a segmenter in a file of its own; a model without uses the default model's.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load, save

from ..classification.late_fusion import LateFusion
from ..errors import ModelError
from ..names import FEATURE_COMBINING, JOINS
from ..networks.cnet import CNet
from ..networks.nnet import NNet
from ..preset import PRESETS, Preset
from ..runtime.atomic import atomic_folder
from .registry import CARD_FILE, SCHEMA, WEIGHTS_FILE, ModelCard, read_card
from .segmenter import SEGMENTER_FILE, Segmenter, load_segmenter, save_segmenter

_DETECTOR, _CLASSIFIER = "detector.", "classifier."
_BACKBONE = "classifier.NoduleNet."
_FUSION = "fusion"
_DETECTOR_SAID = "detector: "
_FUSION_SAID = "suspicion of outlined nodules fitted to "
_SEVERAL_BANKS = "several"


@dataclass(frozen=True)
class Model:
    """Both networks and what is known of them.

    Parameters
    ----------
    outcome
        What the malignancies were trained on, a key of `names.OUTCOMES`.
    trained_on
        Data and recipe.
    sha256
        Of the weights; empty until the model is saved or loaded.
    segmenter
        Of the folder, where it has one.
    bank_folds
        Parts of the nodule bank that the weights learned from: none of these can be held out from them.
    bank
        Which bank these are parts of, by its `bank_digest`; empty where that is not known.
    learned_from
        "nodules" where each malignancy was learned as if it were one, "cases" where they were through the cases' join.
    fusion
        What makes a nodule's malignancy of the classifier's and of its outline, where the model has it.
    """

    name: str
    preset: Preset
    outcome: str
    trained_on: str
    detector: NNet
    classifier: CNet
    sha256: str = ""
    segmenter: Segmenter | None = None
    bank_folds: tuple[int, ...] = ()
    bank: str = ""
    learned_from: str = "cases"
    fusion: LateFusion | None = None

    @property
    def join(self) -> str:
        """How the classifier joins nodules, one of `names.JOINS`."""
        return self.classifier.join

    @property
    def weighted_by_confidence(self) -> bool:
        """Whether a nodule counts in a case by its confidence, too.

        Learned nodule by nodule a malignancy is that of something which is one; through cases malignancies learn what
        false alarms are worth.
        """
        return self.learned_from == "nodules" and self.join != FEATURE_COMBINING


def save_model(model: Model, folder: Path, half_precision: bool = False) -> str:
    """Write a bundle, whole or not at all; returns the weights' sha256.

    Parameters
    ----------
    half_precision
        Keep the kernels and matrices in float16, which halves the file; biases and batch norm stay float32.

    Raises
    ------
    ModelError
        Where a weight is too large for float16.
    UsageError, OutputError
        Where the folder is taken or cannot be written.
    """
    tensors = _tensors(model)
    if half_precision:
        tensors = {key: value.half() if value.ndim > 1 else value for key, value in tensors.items()}
        broken = next((key for key, value in tensors.items() if not torch.isfinite(value).all()), None)
        if broken is not None:
            raise ModelError(f"The weights {broken} do not fit into half precision; keep the model in float32.")
    weights = save(tensors)
    digest = hashlib.sha256(weights).hexdigest()
    card = {
        "schema": SCHEMA,
        "name": model.name,
        "preset": model.preset.name,
        "preset_values": asdict(model.preset),
        "join": model.join,
        "outcome": model.outcome,
        "trained_on": model.trained_on,
        "bank_folds": model.bank_folds,
        "bank": model.bank,
        "learned_from": model.learned_from,
        "weights": {"file": WEIGHTS_FILE, "sha256": digest},
    }
    with atomic_folder(folder) as staging:
        (staging / CARD_FILE).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        (staging / WEIGHTS_FILE).write_bytes(weights)
        if model.segmenter is not None:
            save_segmenter(model.segmenter.net, staging / SEGMENTER_FILE, model.segmenter.trained_on)
    return digest


def load_model(folder: Path) -> Model:
    """Read a bundle.

    Raises
    ------
    ModelError
        Where the folder is no bundle, is damaged, or was made for other constants than this version's.
    """
    card = read_card(folder)
    preset = _checked_preset(card, folder)
    if card.join not in JOINS:
        raise ModelError(
            f"{folder / CARD_FILE} names join '{card.join}'; expected one of {', '.join(JOINS)}. The bundle is from "
            "another program or version."
        )
    tensors = _read_weights(folder / WEIGHTS_FILE, card.sha256)
    broken = [key for key, value in tensors.items() if not torch.isfinite(value).all()]
    if broken:
        raise ModelError(f"{folder / WEIGHTS_FILE} holds numbers that are not finite, in {broken[0]}: training failed.")
    if not any(key.startswith(_BACKBONE) for key in tensors):
        detectors = {key.removeprefix(_DETECTOR): value for key, value in tensors.items() if key.startswith(_DETECTOR)}
        tensors.update({_BACKBONE + key: value for key, value in detectors.items()})
    detector, classifier = NNet(preset), CNet(preset, card.join)
    for prefix, net in ((_DETECTOR, detector), (_CLASSIFIER, classifier)):
        own = {key.removeprefix(prefix): value.float() for key, value in tensors.items() if key.startswith(prefix)}
        try:
            net.load_state_dict(own)
        except RuntimeError as error:
            raise ModelError(
                f"{folder / WEIGHTS_FILE} does not fit the networks of preset {preset.name}: the weights are those of "
                "another architecture. Use the bundle that they came with, or name its preset in "
                f"{CARD_FILE}."
            ) from error
    path = folder / SEGMENTER_FILE
    segmenter = load_segmenter(path) if path.exists() else None
    fusion = _fusion(tensors, folder)
    known = (card.name, preset, card.outcome, card.trained_on, detector, classifier, card.sha256, segmenter)
    return Model(*known, card.bank_folds, card.bank, card.learned_from, fusion)


def _fusion(tensors: dict[str, torch.Tensor], folder: Path) -> LateFusion | None:
    if _FUSION not in tensors:
        return None
    try:
        return LateFusion(*tensors[_FUSION].tolist())
    except TypeError as error:
        raise ModelError(
            f"{folder / WEIGHTS_FILE} has a late fusion of other weights than this version's; use the version of "
            "LungCancerDx that made it."
        ) from error


def calibrated(model: Model, slope: float, intercept: float, on: str) -> Model:
    """The model with every nodule's logit z replaced by slope z + intercept (Platt scaling), in its last layer.

    A late fusion, which was fitted to the logits before, is dropped.

    Parameters
    ----------
    on
        What the line was fitted to, for the card.
    """
    classifier = copy.deepcopy(model.classifier)
    with torch.no_grad():
        classifier.fc2.weight.mul_(slope)
        classifier.fc2.bias.mul_(slope).add_(intercept)
    said = f"suspicion calibrated on {on}: {slope:.3f} z {intercept:+.3f}; {without_fusion(model.trained_on)}"
    return replace(model, trained_on=said, classifier=classifier, sha256="", fusion=None)


def with_fusion(model: Model, fusion: LateFusion, on: str) -> Model:
    """The model with a late fusion in place of any it had.

    Parameters
    ----------
    on
        What it was fitted to, for the card.
    """
    weights = f"{fusion.network:.3f} z {fusion.doubling:+.3f} log2(d / 8 mm) {fusion.calcified:+.3f} if calcified"
    said = f"{_FUSION_SAID}{on}: {weights} {fusion.intercept:+.3f}; {without_fusion(model.trained_on)}"
    return replace(model, trained_on=said, fusion=fusion, sha256="")


def without_fusion(trained_on: str) -> str:
    """What a model was trained on, without what is said of its late fusion."""
    return re.sub(f"{_FUSION_SAID}[^;]*; ", "", trained_on)


def detector_said(model: Model) -> str:
    """What a model's detector was trained on, without what is said of its classifier."""
    _, found, others = model.trained_on.partition(_DETECTOR_SAID)
    return f"{found}{others}" if found else f"detector of {model.name}: {model.trained_on}"


def combined(detector: Model, classifier: Model) -> Model:
    """The classifier, and all else of its model, with another model's detector.

    Raises
    ------
    ModelError
        Where they are of different presets.
    """
    if detector.preset != classifier.preset:
        raise ModelError(
            f"Detector and classifier are of different presets, {detector.preset.name} and {classifier.preset.name}: "
            "they would see different voxels. Train both with the same one."
        )
    own, _, _ = classifier.trained_on.partition(_DETECTOR_SAID)
    said = "; ".join(filter(None, (own.removesuffix("; "), detector_said(detector))))
    folds = tuple(sorted({*detector.bank_folds, *classifier.bank_folds}))
    bank = one_bank(detector.bank, classifier.bank)
    return replace(classifier, trained_on=said, detector=detector.detector, sha256="", bank_folds=folds, bank=bank)


def one_bank(*banks: str) -> str:
    """The bank that all know that know one; where they know several, a word that is no bank's digest."""
    known = set(banks) - {""}
    return _SEVERAL_BANKS if len(known) > 1 else "".join(known)


def weights_digest(model: Model) -> str:
    """sha256 that the model's weights file has or would have in full precision."""
    return hashlib.sha256(save(_tensors(model))).hexdigest()


def _tensors(model: Model) -> dict[str, torch.Tensor]:
    """Every tensor once by name; counters of batch norm, which nothing reads, left out."""
    nets = {_DETECTOR: model.detector, _CLASSIFIER: model.classifier}
    tensors = {
        prefix + key: value.detach().cpu().contiguous()
        for prefix, net in nets.items()
        for key, value in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    backbone = {key: _DETECTOR + key.removeprefix(_BACKBONE) for key in tensors if key.startswith(_BACKBONE)}
    if all(torch.equal(tensors[key], tensors[same]) for key, same in backbone.items()):
        for key in backbone:
            del tensors[key]
    if model.fusion is not None:
        tensors[_FUSION] = torch.tensor(astuple(model.fusion))
    return tensors


def _checked_preset(card: ModelCard, folder: Path) -> Preset:
    name = card.preset
    if name not in PRESETS:
        raise ModelError(
            f"{folder / CARD_FILE} names preset '{name}'; this version has {', '.join(PRESETS)}. Use the version of "
            "LungCancerDx that made it."
        )
    ours = json.loads(json.dumps(asdict(PRESETS[name])))
    theirs = card.preset_values
    differing = sorted(key for key, value in theirs.items() if key not in ours or ours[key] != value)
    if differing:
        raise ModelError(
            f"{folder / CARD_FILE} was made for a preset {name} with other values of {', '.join(differing)}; its "
            "weights would meet foreign preprocessing. Use the version of LungCancerDx that made it."
        )
    return PRESETS[name]


def _read_weights(path: Path, expected_sha256: str) -> dict[str, torch.Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); copy or download the bundle again.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected_sha256:
        raise ModelError(
            f"{path} has sha256 {found}, but {CARD_FILE} says {expected_sha256}: the file is damaged or was exchanged. "
            "Copy or download the bundle again."
        )
    try:
        return load(content)
    except Exception as error:
        raise ModelError(f"{path} is not a safetensors file ({error}); copy or download the bundle again.") from error
