"""The same on a Dask cluster: tasks of a lost worker go to another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TypeVar

from ..errors import Cancelled, LungCancerDxError, UsageError

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
