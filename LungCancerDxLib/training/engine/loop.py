"""The training loop of any network: steps, checkpoints, log, several processes, resuming.

A batch is a pure function of the step, and the random numbers of dropout are seeded by the step, so a run that was
killed at any moment and resumed ends with the weights of an undisturbed one: bit for bit on a processor.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...errors import Cancelled, LungCancerDxError, UsageError
from ...runtime.device import Compute
from ...runtime.progress import Progress, silent
from .distributed import ALONE, Ranks
from .optimizer import OptimizerConfig
from .precision import autocast
from .run_folder import Records, Row, RunFolder, draw_curves, save_tensors
from .validation import Batch, Items, Loaded, Validation, loaded_ahead, mean_losses


class TrainingFailed(LungCancerDxError):
    """The training came to numbers that are not finite; the last checkpoint is from before."""


@dataclass
class Task:
    """What is trained on what.

    Parameters
    ----------
    module
        Takes a batch on the device and returns scalars by name, the same names at every step; `loss` is minimised, all
        go into the log. It is put into training mode once; what must stay frozen, it keeps so in its `train`.
    items_per_step
        Of all processes together.
    find_unused_parameters
        Whether some weights have no part in some steps.
    """

    module: nn.Module
    items: Items
    items_per_step: int
    find_unused_parameters: bool = False


@dataclass(frozen=True)
class Run:
    """A run of a task.

    Parameters
    ----------
    config
        All that decides the weights, fit for JSON; written down, and compared when the run is resumed.
    validation
        What the run is checked on before its first step, now and then, and at its end; the weights do not depend on it.
    """

    folder: Path
    config: dict[str, Any]
    optimizer: OptimizerConfig
    steps: int
    seed: int
    validation: Validation | None = None


@dataclass(frozen=True)
class RunOptions:
    """How a training runs, whatever is trained; but for the type of `compute` and the number of `ranks` no weight
    depends on it.

    Parameters
    ----------
    resume
        Go on with the run in the folder, if any.
    checkpoint_minutes
        From one checkpoint to the next; there is another at the end and when the user stops the run.
    events_and_curves
        Write them beside the log, where TensorBoard and matplotlib are installed.
    """

    compute: Compute = Compute()  # noqa: RUF009 - immutable
    ranks: Ranks = ALONE
    resume: bool = False
    checkpoint_minutes: float = 2.0
    events_and_curves: bool = True
    progress: Progress = silent

    def open(self, folder: Path, config: dict[str, Any]) -> RunFolder:
        """The files of a new run or, where it is to be resumed, of the one in the folder."""
        files = RunFolder(folder, config)
        if self.ranks.first:
            files.resume() if self.resume else files.create()
        return files


def train(task: Task, run: Run, options: RunOptions) -> None:
    """Train the task's module to the end of the run; it holds the final weights afterwards.

    Raises
    ------
    UsageError
        Where the folder is taken, or holds a run with other settings.
    TrainingFailed
        Where a loss or a gradient is not finite; the batch is saved in the folder.
    Cancelled
        Where `progress` raises it; a checkpoint is written first.
    """
    files = options.open(run.folder, run.config)
    options.ranks.wait()
    trainer = _Trainer(task, run, options, files)
    first = trainer.restore() if options.resume else 0
    cuda = [trainer.device.index or 0] if trainer.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):  # torch's global generators, which dropout takes, stay as they were
        trainer.go(first)


class _Trainer:
    """The moving parts of a run."""

    def __init__(self, task: Task, run: Run, options: RunOptions, files: RunFolder) -> None:
        self.task, self.run, self.options, self.files = task, run, options, files
        self.ranks, self.dtype, self.progress = options.ranks, options.compute.dtype, options.progress
        self.device = self.ranks.device(options.compute.device)
        self.module = task.module.to(self.device, memory_format=torch.channels_last_3d).train()  # type: ignore[call-overload]
        self.called = self.ranks.wrap_ddp(self.module, self.device, task.find_unused_parameters)
        self.weights = [weight for weight in self.module.parameters() if weight.requires_grad]
        self.optimizer = run.optimizer.build(self.weights)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.parts = {"module": self.module, "optimizer": self.optimizer, "scaler": self.scaler}

    def restore(self) -> int:
        """Load the checkpoint; returns the first step to do."""
        state = self.files.load(self.device)
        if state is None:
            return 0
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return int(state["steps_done"])

    def save(self, steps_done: int) -> None:
        if self.ranks.first:
            state = {name: part.state_dict() for name, part in self.parts.items()}
            self.files.save({"steps_done": steps_done, **state})

    def go(self, first: int) -> None:
        """Do the steps from `first` on."""
        run, options, validated = self.run, self.options, self.run.validation is not None
        records = Records(run.folder, first, options.events_and_curves, validated) if self.ranks.first else None
        done, start, saved_at = first, time.monotonic(), time.monotonic()
        batches = self._loaded(self.task.items, self.task.items_per_step, first, run.steps)
        try:
            with closing(batches):
                for loaded in batches:
                    self._validate(done, records)
                    row = self._step(loaded)
                    done = loaded.step + 1
                    if records is not None:
                        records.add(row)
                    if done < run.steps and time.monotonic() - saved_at > options.checkpoint_minutes * 60:
                        self._checkpoint(done)
                        saved_at = time.monotonic()
                    left_s = (time.monotonic() - start) / (done - first) * (run.steps - done)
                    left = f"{left_s / 60:.0f} min left" if left_s >= 90 else f"{left_s:.0f} s left"
                    self.progress(f"step {done} of {run.steps}, loss {row['loss']:.3f}, {left}", done / run.steps)
            self._validate(run.steps, records)
        except Cancelled as stopped:
            self.save(done)
            raise Cancelled(f"Stopped after step {done} of {run.steps}; --resume goes on from there.") from stopped
        finally:
            if records is not None:
                records.close()
        self._checkpoint(run.steps)

    def _checkpoint(self, steps_done: int) -> None:
        self.save(steps_done)
        if self.ranks.first and self.options.events_and_curves:
            with suppress(UsageError):  # without matplotlib the log has all of it
                draw_curves(self.run.folder)

    def _loaded(self, items: Items, count: int, first: int, end: int) -> Generator[Loaded, None, None]:
        """The batches of this process: one thread makes them beside a processor that trains, else many."""
        numbers = self.ranks.share(count)
        threads = 1 if self.device.type == "cpu" else max(1, min(16, (os.cpu_count() or 1) // self.ranks.size))
        return loaded_ahead(lambda step: items.batch(step, numbers), first, end, threads)

    def _validate(self, done: int, records: Records | None) -> None:
        """Record the losses on the validation's cases where that is due."""
        wanted = self.run.validation
        if wanted is None or not wanted.is_due(done, self.run.steps):
            return
        if wanted.measure is not None:
            self.progress("validation", done / self.run.steps)
            with autocast(self.device, self.dtype):
                measured = wanted.measure(self.module)
            if records is not None:
                records.add_check({"step": done, **measured})
            return
        batches = self._loaded(wanted.items, wanted.items_per_batch, 0, wanted.batches)

        def shown() -> Iterator[Batch]:
            for loaded in batches:
                message = f"validation, batch {loaded.step + 1} of {wanted.batches}"
                self.progress(message, done / self.run.steps)
                yield self._on_device(loaded.batch)

        with closing(batches):
            losses = mean_losses(self.module, shown(), autocast(self.device, self.dtype))
        row = {"step": done, **{name: self.ranks.mean(value) for name, value in losses.items()}}
        if records is not None:
            records.add_check(row)

    def _step(self, loaded: Loaded) -> Row:
        start, step, config = time.perf_counter(), loaded.step, self.run.optimizer
        torch.manual_seed(_seed_of(self.run.seed, step, self.ranks.rank))
        rate = config.rate(step, self.run.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        batch = self._on_device(loaded.batch)
        with autocast(self.device, self.dtype):
            losses = self.called(batch)
        self.scaler.scale(losses["loss"]).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.weights, config.clip_norm or math.inf)
        values = {name: float(value.detach()) for name, value in losses.items()}
        self._check_finite(loaded, {**values, "gradient_norm": float(norm)})
        self.scaler.step(self.optimizer)
        self.scaler.update()
        times = {"wait_s": loaded.wait_s, "load_s": loaded.load_s, "train_s": time.perf_counter() - start}
        return {"step": step + 1, "learning_rate": rate, **values, "gradient_norm": float(norm), **times}

    def _check_finite(self, loaded: Loaded, values: Row) -> None:
        """Save the batch and the weights that met and stop, all processes alike, where the loss is not finite or,
        without scaling, the gradient.
        """
        gradient_counts = not self.scaler.is_enabled()
        bad = not math.isfinite(values["loss"] + (values["gradient_norm"] if gradient_counts else 0))
        if not self.ranks.any(torch.tensor(bad, device=self.device)):
            return
        step = loaded.step + 1
        path = self.run.folder / f"failed-step{step}-rank{self.ranks.rank}.pt"
        state = {"step": step, "losses": values, "batch": loaded.batch, "module": self.module.state_dict()}
        save_tensors(state, path)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        raise TrainingFailed(
            f"The training failed at step {step}: {shown}; expected finite numbers. The batch and the weights that it "
            f"met are in {path}; the last checkpoint is from before. Look at the batch (a damaged case?), or start "
            "anew with a lower learning rate or in --precision fp32."
        )

    def _on_device(self, batch: Batch) -> Batch:
        return {name: tensor.to(self.device, non_blocking=True) for name, tensor in batch.items()}


def _seed_of(seed: int, step: int, rank: int) -> int:
    """A seed of its own for every step of every process."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)
