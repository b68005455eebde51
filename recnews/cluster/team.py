"""The workers of a cluster that are fit for one piece of work.

A worker joins once it has the same versions of what decides the bytes, the files with the right checksums, and has
answered a probe with the bytes that this process gives. Processors differ in how they add up; the probe is what tells.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from recnews.cluster import worker
from recnews.cluster.kits import Kit
from recnews.store import InducedWord

_LOOK = 2.0  # seconds between two looks for new workers
_PIECE = 8 << 20  # bytes of a file that are sent at a time
_AHEAD = 3  # tasks for each thread, so that none waits for the next
_log = logging.getLogger("recnews")


class Team:
    """Workers with one kit. All methods are for one thread; none raises for what goes wrong in the cluster."""

    def __init__(self, client: Any, kit: Kit) -> None:
        self._client, self._kit = client, kit
        self._session = uuid4().hex
        self._threads: dict[str, int] = {}
        self._refused: set[str] = set()
        self._words: list[InducedWord] = []
        self._looked = float("-inf")
        self._told_alone = False

    @property
    def ahead(self) -> int:
        """How many tasks keep all of them busy; 0 when there is none."""
        return _AHEAD * sum(self._members().values())

    def teach(self) -> None:
        """Send the words that were taken over here since to all who are there now; who comes later gets all of them."""
        words = self._kit.words(self.taught)
        self._words += words
        if self._threads and words:
            self._run(worker.take, self._session, words, workers=list(self._threads))

    @property
    def taught(self) -> int:
        """How many words were taught."""
        return len(self._words)

    def not_taught(self) -> Sequence[InducedWord]:
        """The words that were taken over here since."""
        return self._kit.words(self.taught)

    def submit(self, function: Callable[..., Any], *given: Any) -> Any:
        """A task for any of them; None when there is nobody."""
        members = list(self._members())
        if not members:
            return None
        try:
            return self._client.submit(
                function, self._session, *given, workers=members, allow_other_workers=False, pure=False
            )
        except Exception as error:
            return self._failed(error)

    def result(self, task: Any) -> Any:
        """What became of a task; None when it is to be done here: the workers it was for are gone, or it failed."""
        while task is not None:
            try:
                return task.result(timeout=_LOOK)
            except TimeoutError:
                if not self._members():
                    with suppress(Exception):
                        task.cancel(force=True)
                    return None
            except Exception as error:
                return self._failed(error)
        return None

    def dismiss(self) -> None:
        """Let them forget what they were given."""
        if self._threads:
            self._run(worker.forget, self._session, workers=list(self._threads))
            self._threads = {}

    def _members(self) -> dict[str, int]:
        """Threads by worker, of those that are there; new ones are prepared."""
        if time.monotonic() - self._looked < _LOOK:
            return self._threads
        there = self._there()
        self._threads = {address: threads for address, threads in there.items() if address in self._threads}
        new = {it: threads for it, threads in there.items() if it not in self._threads and it not in self._refused}
        if new:
            self._threads |= {address: new[address] for address in self._prepared(list(new))}
        if not self._threads and not self._told_alone:
            self._told_alone = True
            _log.warning("no worker of the Dask cluster is fit for this work now; it is done here until one is")
        self._looked = time.monotonic()
        return self._threads

    def _there(self) -> dict[str, int]:
        if self._client.status != "running":
            return {}
        try:
            return dict(self._client.nthreads())
        except Exception as error:
            self._failed(error)
            return {}

    def _prepared(self, new: list[str]) -> list[str]:
        """Of new workers, those that are fit."""
        fit = self._fit(new, "has other versions", worker.versions(), worker.versions)
        kit = self._kit
        places = self._asked(fit, worker.place, kit.digest, kit.files, self._told())
        for name in kit.files:
            self._send(name, [address for address, (_, lacking) in places.items() if name in lacking])
        ready = []
        for where in sorted({where for where, _ in places.values()}):
            there = [address for address, (used, _) in places.items() if used == where]
            given = (self._session, kit.kind, dict(kit.state), where, kit.files)
            ready += list(self._asked(there, worker.prepare, *given))
        self.teach()  # the probe is answered by words, too
        if self._words:
            ready = list(self._asked(ready, worker.take, self._session, self._words))
        return self._fit(ready, "gives other bytes than this machine", kit.probe(), worker.probe, self._session)

    def _told(self) -> str:
        """Where the files are here: a worker that has the same folder need not be sent them."""
        return str(self._kit.folder or "")

    def _send(self, name: str, to: list[str]) -> None:
        if not to or self._kit.folder is None:
            return
        with (self._kit.folder / name).open("rb") as file:
            offset = 0
            while (data := file.read(_PIECE)) or not offset:
                self._run(worker.receive, self._kit.digest, name, offset, data, workers=to)
                offset += max(len(data), 1)

    def _fit(self, workers: list[str], why: str, wanted: Any, function: Callable[..., Any], *given: Any) -> list[str]:
        """Those that answer what is wanted; the others are never asked again."""
        answers = self._asked(workers, function, *given)
        for address, answer in answers.items():
            if answer != wanted:
                self._refuse(address, f"{why}{_differing(answer, wanted)}")
        return [address for address, answer in answers.items() if answer == wanted]

    def _asked(self, workers: list[str], function: Callable[..., Any], *given: Any) -> dict[str, Any]:
        """Answers by worker; those that fail are not asked again."""
        answers = self._run(function, *given, workers=workers) if workers else {}
        for address in workers:
            answer = answers.get(address, ConnectionError("it is gone"))
            if isinstance(answer, BaseException):
                self._refuse(address, f"cannot be used ({type(answer).__name__}: {answer})")
        return {it: answer for it, answer in answers.items() if not isinstance(answer, BaseException)}

    def _run(self, function: Callable[..., Any], *given: Any, workers: list[str]) -> dict[str, Any]:
        """Run at once on each of these workers; what each answers, or the exception it raised."""
        try:
            return dict(self._client.run(function, *given, workers=workers, on_error="return"))
        except Exception as error:
            self._failed(error)
            return {}

    def _refuse(self, address: str, why: str) -> None:
        self._refused.add(address)
        _log.warning("worker %s %s; going on without it", address, why)

    @staticmethod
    def _failed(error: Exception) -> None:
        """Whatever goes wrong in a cluster costs time only; what is wrong with the work itself shows here, too."""
        _log.warning("the Dask cluster failed (%s: %s); its work is done here", type(error).__name__, error)


def _differing(answer: Any, wanted: Any) -> str:
    if not isinstance(answer, dict) or not isinstance(wanted, dict):
        return ""
    names = sorted(name for name in {*answer, *wanted} if answer.get(name) != wanted.get(name))
    told = (f"{name} {answer.get(name, 'missing')}, here {wanted.get(name, 'missing')}" for name in names)
    return f" ({'; '.join(told)})"
