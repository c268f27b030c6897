"""The workers of a Dask scheduler, on whatever machines."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from srnn.errors import UserError, option, shorten

#: Seconds in which a scheduler is to answer.
_PATIENCE = 20


class Cluster:
    """The workers of a Dask scheduler that is there already.

    Args:
        folder: On a disk that all workers share.
        scheduler: Its address, ``tcp://host:8786``.
        scheduler_file: In place of the address, the file in which the scheduler has written it.

    Raises:
        UserError: Dask is not installed, or there is no such file.
    """

    def __init__(self, folder: Path, scheduler: str | None = None, scheduler_file: Path | None = None) -> None:
        if find_spec("distributed") is None:
            raise UserError("a Dask scheduler needs the package distributed: pip install 'srnn[cluster]'")
        if (scheduler is None) == (scheduler_file is None):
            named = f"{option('scheduler')} or {option('scheduler-file')}"
            raise UserError(f"a Dask scheduler is named by {named}, one of the two: tcp://host:8786, or its file")
        if scheduler_file is not None and not scheduler_file.is_file():
            named = f"{option('scheduler-file')} is {scheduler_file}"
            raise UserError(f"{named}, and there is no such file: dask scheduler --scheduler-file writes it")
        self.folder: Path | None = folder.absolute()
        self._address, self._file = scheduler, scheduler_file

    def room(self) -> int:
        """A job for each thread of its workers, of which there may be more or fewer later."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def submit(self, function: Callable[..., None], *arguments: Any) -> Future[None]:
        future: Future[None] = self._executor.submit(function, *arguments)
        return future

    def release(self, future: Future[None]) -> None:
        """Workers are kept by their scheduler."""

    def __enter__(self) -> Self:
        """Find the scheduler.

        Raises:
            UserError: None answers.
        """
        from distributed import Client

        for name in ("distributed.client", "distributed.comm", "distributed.core"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is told by us
        file = None if self._file is None else str(self._file)
        try:
            self._client: Any = Client(self._address, scheduler_file=file, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError, KeyError) as error:
            named = shorten(str(self._file or self._address))
            raise UserError(f"no Dask scheduler answers at {named}: {error}; start one by dask scheduler") from None
        self._executor: Any = self._client.get_executor(pure=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What waits is forgotten."""
        self._executor.shutdown(wait=False)
        self._client.close()
