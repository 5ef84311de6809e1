"""One function over many tasks in several processes, on Dask; a process that dies costs one task, not the run.

By default Dask starts the processes on this machine and watches over them, by the loopback address alone; with the
address of a scheduler they are those of a cluster.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import Cancelled, LungCancerDxError, OutOfMemoryError, UsageError
from ..runtime.atomic import cleanup_on_exit
from ..runtime.progress import available_processors

Task = TypeVar("Task")

_POLL_S = 0.1
_CONNECT_S = 20
_THREADS = "OMP_NUM_THREADS"
_THREAD_VARIABLES = (_THREADS, "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
_CONFIG: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-saturation": 1.0,  # no task waits at a process that may die
    "distributed.scheduler.worker-ttl": None,  # a process that computes without a pause is not dead
    "distributed.worker.profile.enabled": False,
    "distributed.worker.use-file-locking": False,
    "distributed.nanny.pre-spawn-environ": {},
}


def on_workers(
    function: Callable[[Task], object],
    tasks: Sequence[Task],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Task, bool]]:
    """Do every task; yields each as it ends, with whether it was done: False where its process died twice.

    The processes of this machine share its processors among themselves and end with this one, however it ends. What
    was in work when one of them died is done again when all else is, one task at a time, so that only the task which
    kills its process is lost. A cluster has its own number of tries.

    Parameters
    ----------
    function
        Found by its name in the other processes, as are its tasks. What it returns is not looked at; what it raises is
        raised here and ends the run.
    scheduler
        Address of a Dask scheduler, whose workers do the work instead of `workers` processes here. They must have this
        library and see the same files at the same paths.
    asked_to_stop
        Looked at several times a second.

    Raises
    ------
    UsageError
        Where Dask is not installed or nothing answers at the address.
    LungCancerDxError
        Where the scheduler is lost.
    OutOfMemoryError
        Where no process can be started.
    Cancelled
        Once asked to stop: processes here are killed; on a cluster, what has not begun is called off.
    """
    if scheduler is not None:
        with _cluster(scheduler) as client:
            yield from _ended(client, function, tasks, asked_to_stop)
    elif tasks:
        suspects = []
        with _local_workers(min(workers, len(tasks))) as client:
            for task, done in _ended(client, function, tasks, asked_to_stop):
                if done:
                    yield task, True
                else:
                    suspects.append(task)
        for task in suspects:
            with _local_workers(1) as client:
                yield from _ended(client, function, [task], asked_to_stop)


def _ended(
    client: Any, function: Callable[[Task], object], tasks: Sequence[Task], asked_to_stop: Callable[[], bool]
) -> Iterator[tuple[Task, bool]]:
    distributed = _dask().distributed
    running = {client.submit(function, task, pure=False): task for task in tasks}
    ended = distributed.as_completed(running)
    while running:
        if asked_to_stop():
            client.cancel(list(running))
            raise Cancelled("Stopped.")
        batch = list(ended.next_batch(block=False))
        if not batch:
            time.sleep(_POLL_S)
        for future in batch:
            task = running.pop(future)
            try:
                future.result()
                yield task, True
            except distributed.KilledWorker:
                yield task, False
            except CancelledError as error:
                raise LungCancerDxError(
                    "The Dask scheduler was lost; start it and then the same command again."
                ) from error


def _cluster(address: str) -> Any:
    """A client of the scheduler at an address."""
    dask = _dask()
    try:
        return dask.distributed.Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"No Dask scheduler answers at {address} ({error}); start one, or check the address."
        ) from error


@contextmanager
def _local_workers(workers: int) -> Iterator[Any]:
    """A client of so many processes, which are killed at the end: what they did is on the disk."""
    dask = _dask()
    threads = str(max(available_processors() // workers, 1))
    before = set(multiprocessing.active_children())
    with (
        _environment(dict.fromkeys(_THREAD_VARIABLES, threads)),
        cleanup_on_exit(Path(tempfile.mkdtemp(prefix="lungcancerdx-"))) as folder,
        dask.config.set({**_CONFIG, "temporary-directory": str(folder)}),
    ):
        try:
            cluster = dask.distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                memory_limit=None,
                security=True,  # keys of its own: nobody else on this machine can send it work
                preload=[__name__],
                silence_logs=logging.CRITICAL,
            )
        except (RuntimeError, OSError) as error:
            raise OutOfMemoryError(f"The processes for the work could not be started ({error}).") from error
        shutil.rmtree(folder)  # nothing is put there, and where this process is killed nobody would remove it
        try:
            with dask.distributed.Client(cluster) as client:
                yield client
        finally:
            for nanny in cluster.workers.values():
                nanny.close_gracefully()  # so that it starts no other process
            for process in set(multiprocessing.active_children()) - before:
                process.kill()
            cluster.close()


def dask_setup(worker: Any) -> None:
    """In a new process, called by Dask (`preload`): deaf to Ctrl-C, which its parent hears; its share of processors."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        threads = int(os.environ[_THREADS])
        first = worker.name * threads
        os.sched_setaffinity(0, {allowed[n % len(allowed)] for n in range(first, first + threads)})


def _dask() -> Any:
    try:
        import dask.distributed
    except ImportError as error:
        raise UsageError("Cohorts are worked on by Dask: pip install 'lungcancerdx[cohort]'.") from error
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what a user must know is an error of ours
    return dask


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables that new processes inherit; what Dask adds to them is taken back too."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
