"""One function over many tasks in several processes; a process that dies costs one task, not the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from ..errors import Cancelled, LungCancerDxError, UsageError
from ..runtime.progress import available_processors

Task = TypeVar("Task")
Result = TypeVar("Result")

_POLL_S = 0.1
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


def in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, asked_to_stop: Callable[[], bool]
) -> Iterator[tuple[Task, Result | None]]:
    """Every task with its result as it comes, or with None where its process died twice.

    New processes are started ("spawn"), which share the processors among themselves and end with this one, however it
    ends. What was in work when a process died is done again, one task at a time, so that only the task which kills
    its process is lost.

    Parameters
    ----------
    function
        Found by its name in the new processes, as are its tasks and results.
    asked_to_stop
        Looked at several times a second.

    Raises
    ------
    Cancelled
        Once asked to stop; the processes are killed. What the function raises is raised here too.
    """
    waiting, suspects = deque(tasks), deque[Task]()
    while waiting or suspects:
        if suspects:
            task = suspects.popleft()
            alone = list(_until_broken(function, deque([task]), 1, asked_to_stop, deque()))
            yield (task, alone[0][1]) if alone else (task, None)
        else:
            yield from _until_broken(function, waiting, workers, asked_to_stop, suspects)


def _until_broken(
    function: Callable[[Task], Result],
    waiting: deque[Task],
    workers: int,
    asked_to_stop: Callable[[], bool],
    suspects: deque[Task],
) -> Iterator[tuple[Task, Result]]:
    """Results of the waiting tasks until all are done or a process dies; `suspects` then gets what was in work."""
    with _pool(min(workers, len(waiting))) as pool:
        running: dict[Future, Task] = {}
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.popleft()
                try:
                    running[pool.submit(function, task)] = task
                except BrokenProcessPool:
                    suspects.extend([task, *running.values()])
                    return
            done, _ = wait(running, _POLL_S, FIRST_COMPLETED)
            if asked_to_stop():
                raise Cancelled("Stopped.")
            broken = False
            for future in done:
                if isinstance(future.exception(), BrokenProcessPool):
                    broken = True
                else:
                    yield running.pop(future), future.result()
            if broken:
                suspects.extend(running.values())
                return


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    before = {process.pid for process in multiprocessing.active_children()}
    threads = max(available_processors() // workers, 1)
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for number in range(workers):
        places.put(number)
    with _environment({name: str(threads) for name in _THREAD_VARIABLES}):
        pool = ProcessPoolExecutor(workers, context, _begin, (threads, places))
        try:
            yield pool
            pool.shutdown()
        finally:
            for process in multiprocessing.active_children():
                if process.pid not in before:
                    process.kill()
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables that new processes inherit."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin(threads: int, places: Any) -> None:
    """In a new process: its share of the processors, deaf to Ctrl-C (its parent hears it), an end with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    first = places.get() * threads
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[n % len(allowed)] for n in range(first, first + threads)})


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


Task = TypeVar("Task")
Result = TypeVar("Result")

_POLL_S = 0.2
_CONNECT_S = 20


def on_cluster(
    function: Callable[[Task], Result], tasks: Sequence[Task], address: str, asked_to_stop: Callable[[], bool]
) -> Iterator[tuple[Task, Result | None]]:
    """Every task with its result as it comes, or with None where the workers that had it died again and again.

    The workers must have this library and see the same files at the same paths. See `pool.in_processes` for the rest.

    Raises
    ------
    UsageError
        Where Dask is not installed or nothing answers at the address.
    LungCancerDxError
        Where the scheduler is lost.
    Cancelled
        Once asked to stop; tasks that have not begun are called off.
    """
    try:
        from distributed import Client, KilledWorker, wait
    except ImportError as error:
        raise UsageError("--scheduler needs Dask: pip install 'lungcancerdx[cohort]'.") from error
    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"No Dask scheduler answers at {address} ({error}); start one, or check the address."
        ) from error
    with client:
        running = {client.submit(function, task, pure=False): task for task in tasks}
        while running:
            try:
                done = wait(list(running), timeout=_POLL_S, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                done = set()
            except CancelledError as error:
                raise LungCancerDxError(
                    f"The Dask scheduler at {address} was lost; start it and then the same command again."
                ) from error
            if asked_to_stop():
                client.cancel(list(running))
                raise Cancelled("Stopped.")
            for future in done:
                task = running.pop(future)
                try:
                    yield task, future.result()
                except KilledWorker:
                    yield task, None
