"""Stages A and E on small networks, as a program for `torchrun`: every process writes the weights that it ends with.

`python -m Testing.training.several_processes STORE RUN`
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from LungCancerDxLib.preset import PRESETS
from LungCancerDxLib.training.cases.store import CaseStore
from LungCancerDxLib.training.classifier.recipe import parse_scheme
from LungCancerDxLib.training.classifier.train import Plan, train_classifier
from LungCancerDxLib.training.engine.distributed import ranks_of_torchrun
from Testing.training.classifier_tiny import FEW, SMALLEST, tiny_detector
from Testing.training.tiny import quiet

if __name__ == "__main__":
    store, run = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    PRESETS["DEFAULT"] = SMALLEST
    plan = Plan(replace(FEW, steps=None, epochs=1), parse_scheme("A->E"), "synthetic", proposals="truth", seed=1)
    with ranks_of_torchrun(torch.device("cpu")) as ranks:
        model = train_classifier(CaseStore(store), tiny_detector(), plan, run, quiet(ranks=ranks))
        torch.save(model.classifier.state_dict(), f"{run}-weights-{ranks.rank}.pt")
