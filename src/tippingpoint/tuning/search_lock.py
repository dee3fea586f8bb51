"""The parent run of a search: found again or opened, held by one process at a time, closed once."""

import contextlib
import hashlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

from filelock import FileLock

from tippingpoint.core import leases
from tippingpoint.tracking import backend, runs
from tippingpoint.tracking.backend import store_errors
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.tags import DATA
from tippingpoint.tuning.trial_log import STUDY, TrialLog

TARGET, ANSWER, CLOSED = "tune.trials", "tippingpoint.answer", "tippingpoint.closed"
CLOSING, BEAT = "tippingpoint.closing", "tippingpoint.beat"
"""Since when the winner is filed, in milliseconds; and when whoever files it was last alive."""
BEAT_SECONDS = 30


class SearchLock:
    """The parent run of a search to so many trials, held by one process at a time; it files what all found.

    `answer` is the digest of what becomes of the winner: the same trials priced otherwise are another parent's.

    A holder that dies leaves it to whoever looks next. On one machine a lock keeps two from taking it at once. Clocks
    of several machines differ, so a run that comes later may be the earliest: who holds another, or whose run was taken
    over, sees that before each write and leaves.
    """

    def __init__(
        self,
        client: Client,
        experiment: str,
        tags: dict[str, str],
        studies: Mapping[str, str],
        target: int,
        answer: str,
    ) -> None:
        self.client, self.experiment, self.studies, self.target = client, experiment, dict(studies), target
        self.study, self.answer = "+".join(studies), answer
        self._lease = ""
        self.tags = {**tags, STUDY: self.study, TARGET: str(target), ANSWER: answer}
        self.log: TrialLog | None = None
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._held.__enter__()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._held.__exit__(*error)

    def take(self, whoever_has_it: bool = False) -> runs.Run | None:
        """The run if it is held here or free to take; None while another process has it, or when it is closed."""
        if self.log is not None:
            return self.log.parent if self._is_ours(self.log.parent) else None
        leases.FOLDER.mkdir(mode=0o700, exist_ok=True)
        name = hashlib.sha256(f"{backend.uri()} {self.study} {self.target} {self.answer}".encode()).hexdigest()[:32]
        with store_errors(), FileLock(leases.FOLDER / f"{name}.seat"):
            there = self._find()
            if there is None:
                made = self.client.create_run(self.experiment, tags=self.tags, run_name=self.tags["mlflow.runName"])
                there = self._find()
                if there is None or there.info.run_id != made.info.run_id:
                    self.client.delete_run(made.info.run_id)
                    return None
            elif CLOSED in there.data.tags or (self._is_at_work(there) and not whoever_has_it):
                return None
            run_id = there.info.run_id
            opened = runs.run(self.client, self.experiment, self.tags["mlflow.runName"], self.tags, again=run_id)
            parent = self._held.enter_context(opened)
        parent.tags(self.tags)
        self._lease = self.client.get_run(run_id).data.tags[runs.LEASE]
        self.log = TrialLog(self.client, self.experiment, parent, self.studies, self.tags.get(DATA, ""))
        return parent

    def _is_ours(self, parent: runs.Run) -> bool:
        """Whether the run that is held here still is the search's; it is left if not."""
        there = self._find()
        first = there is not None and there.info.run_id == parent.run_id
        if there is not None and first and there.data.tags[runs.LEASE] == self._lease and CLOSED not in there.data.tags:
            return True
        self.log, parent.lost = None, True
        self._held.close()
        if there is not None and not first:  # whoever holds the other one takes its trials along
            self.client.delete_run(parent.run_id)
        return False

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """Tell others now and then that someone files the winner; what a kill cuts short is filed to the same rows."""
        assert self.log is not None
        parent = self.log.parent
        since = self.client.get_run(parent.run_id).data.tags.get(CLOSING) or str(int(time.time() * 1000))
        parent.tags({CLOSING: since})
        parent.at = int(since)

        def beat() -> None:
            with contextlib.suppress(*backend.store_failures()):  # one that is missed is no reason to end
                parent.tags({BEAT: str(time.time())})

        with leases.beating(beat, BEAT_SECONDS):
            yield

    def heard(self) -> tuple[str, ...]:
        """What changes while someone files the winner."""
        tags = there.data.tags if (there := self._find()) else {}
        return tuple(tags.get(name, "") for name in (runs.LEASE, CLOSING, BEAT))

    def closed(self) -> tuple[str, str] | None:
        """Run id and registered version (or '') of the search, once its winner is filed."""
        there = self._find()
        if there is None or CLOSED not in there.data.tags:
            return None
        if there.info.status != "FINISHED":  # whoever closed it was killed before it could say that it ended
            with store_errors():
                self.client.set_terminated(there.info.run_id, "FINISHED")
        return there.info.run_id, there.data.tags[CLOSED]

    def _find(self) -> runs.StoredRun | None:
        of = f"tags.`tippingpoint.job` = 'tune' and tags.{STUDY} = '{self.study}'"
        wanted = f"{of} and tags.`{TARGET}` = '{self.target}' and tags.`{ANSWER}` = '{self.answer}'"
        with store_errors():
            backend.probe(backend.uri())
            order = ["attributes.start_time ASC", "attributes.run_id ASC"]
            found = self.client.search_runs([self.experiment], wanted, max_results=1, order_by=order)
        return found[0] if found else None

    def _is_at_work(self, there: runs.StoredRun) -> bool:
        tags = there.data.tags
        if there.info.status != "RUNNING" or runs.LEASE not in tags:
            return False
        return tags[runs.HOST] != leases.here() or not leases.is_free(tags[runs.LEASE])
