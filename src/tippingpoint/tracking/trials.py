"""A search in MLflow: its parent run found again or opened, and every trial as a child run, once."""

import contextlib
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from tippingpoint import leases
from tippingpoint.errors import OutsideError
from tippingpoint.tracking import backend, runs
from tippingpoint.tracking.backend import store_errors
from tippingpoint.tracking.tags import DATA, PARENT
from tippingpoint.tuned import Tried

STUDY, TARGET, ANSWER, NUMBER, CLOSED = "study", "tune.trials", "tippingpoint.answer", "trial", "tippingpoint.closed"
CLOSING, BEAT = "tippingpoint.closing", "tippingpoint.beat"
"""Since when the winner is filed, in milliseconds; and when whoever files it was last alive."""
PAGE, BEAT_SECONDS = 1000, 30


class Seat:
    """The parent run of a search to so many trials, held by one process at a time; it files what all found.

    `answer` is the digest of what becomes of the winner: the same trials priced otherwise are another parent's.

    A holder that dies leaves it to whoever looks next. On one machine a lock keeps two from taking it at once. Clocks
    of several machines differ, so a run that comes later may be the earliest: who holds another, or whose run was taken
    over, sees that before each write and leaves.
    """

    def __init__(
        self,
        client: MlflowClient,
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
            with contextlib.suppress(*backend.STORE_ERRORS):  # one that is missed is no reason to end
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
        return there.info.run_id, there.data.tags[CLOSED]

    def _find(self) -> Run | None:
        of = f"tags.`tippingpoint.job` = 'tune' and tags.{STUDY} = '{self.study}'"
        wanted = f"{of} and tags.`{TARGET}` = '{self.target}' and tags.`{ANSWER}` = '{self.answer}'"
        with store_errors():
            backend.probe(backend.uri())
            order = ["attributes.start_time ASC", "attributes.run_id ASC"]
            found = self.client.search_runs([self.experiment], wanted, order_by=order)
        return found[0] if found else None

    def _is_at_work(self, there: Run) -> bool:
        tags = there.data.tags
        if there.info.status != "RUNNING" or runs.LEASE not in tags:
            return False
        return tags[runs.HOST] != leases.here() or not leases.is_free(tags[runs.LEASE])


class TrialLog:
    """Child runs of the trials of some studies. What the store refuses is tried again at the next call.

    Parameters
    ----------
    studies
        Their names, and for each the colour of its runs.
    data
        Digest of the users it searches on.
    """

    def __init__(
        self, client: MlflowClient, experiment: str, parent: runs.Run, studies: Mapping[str, str], data: str
    ) -> None:
        self.client, self.experiment, self.parent, self.studies = client, experiment, parent, studies
        self.data = data
        self.done: set[tuple[str, int]] | None = None
        self.unfinished: dict[tuple[str, int], str] = {}
        self.drawn: dict[str, int] = {}
        """Last step of each of the parent's curves that is there."""

    def write(self, tried: Iterable[Tried]) -> None:
        """File the trials that are not filed yet.

        Raises
        ------
        OutsideError
            At once, when the store cannot be reached; the next call goes on where this one ended.
        """
        try:
            with store_errors():
                backend.probe(backend.uri())
                done = self.done = self._read() if self.done is None else self.done
                for trial in tried:
                    if trial.place not in done:
                        self._file(trial)
                        done.add(trial.place)
        except OutsideError:
            self.done = None  # what was written without an answer is found there
            raise

    def _read(self) -> set[tuple[str, int]]:
        """What is filed already; the children of another target move below this parent.

        Of a trial that is there twice, since a request was answered to nobody and sent again, one stays.
        """
        done: set[tuple[str, int]] = set()
        self.unfinished = {}
        for study in self.studies:
            wanted = f"tags.`tippingpoint.job` = 'trial' and tags.{STUDY} = '{study}'"
            more, token = True, None
            while more:
                page = self.client.search_runs([self.experiment], wanted, max_results=PAGE, page_token=token)
                token = page.token
                more = bool(token)
                for run in page:
                    place = study, int(run.data.tags[NUMBER])
                    if place in done or (place in self.unfinished and run.info.status == "RUNNING"):
                        self.client.delete_run(run.info.run_id)
                        continue
                    if run.info.status == "RUNNING":
                        self.unfinished[place] = run.info.run_id
                        continue
                    done.add(place)
                    if (half := self.unfinished.pop(place, None)) is not None:
                        self.client.delete_run(half)
                    if run.data.tags.get(PARENT) != self.parent.run_id:
                        self.client.set_tag(run.info.run_id, PARENT, self.parent.run_id)
        return done

    def _file(self, trial: Tried) -> None:
        tags = {
            "tippingpoint.job": "trial",
            PARENT: self.parent.run_id,
            STUDY: trial.study,
            NUMBER: str(trial.number),
            "state": trial.state,
            DATA: self.data,
            runs.COLOUR: self.studies[trial.study],
            **({"mlflow.note.content": f"Failed: {trial.reason}"} if trial.reason else {}),
        }
        name = f"{trial.family} {trial.number}"
        run_id = self.unfinished.get(trial.place)
        if run_id is None:
            opened = self.client.create_run(self.experiment, start_time=trial.started, tags=tags, run_name=name)
            run_id = opened.info.run_id
            self.unfinished[trial.place] = run_id
        # All values carry the trial's own time: written twice, after a kill in between, they are the same rows.
        metrics = [Metric(f"cv/{key}", value, trial.ended, 0) for key, value in trial.values.items()]
        metrics += [
            Metric(f"fold/{key}", value, trial.ended, step)
            for key, values in trial.folds.items()
            for step, value in enumerate(values)
        ]
        metrics.append(Metric("cost/trial_seconds", (trial.ended - trial.started) / 1000, trial.ended, 0))
        metrics.append(Metric("cost/fit_seconds", trial.seconds, trial.ended, 0))
        if trial.gain is not None:
            metrics.append(Metric("cv/gain", trial.gain.value, trial.ended, 0))
        named = {"model": trial.family} | {f"model.{key}": value for key, value in trial.parameters.items()}
        params = [Param(key, str(value)[:500]) for key, value in named.items()]
        self.client.log_batch(run_id, metrics=metrics, params=params, tags=[RunTag(k, v) for k, v in tags.items()])
        self.client.set_terminated(run_id, "FAILED" if trial.state == "failed" else "FINISHED", trial.ended)
        del self.unfinished[trial.place]

    def best_so_far(self, tried: Iterable[Tried], objective: str, maximize: bool) -> None:
        """The parent's curves: step k is the best of the first k complete trials, over all and by family."""
        with store_errors():
            best: dict[str, float] = {}
            steps: dict[str, int] = {}
            new = []
            for trial in sorted((t for t in tried if t.values), key=lambda t: (t.ended, t.place)):
                value = trial.values[objective]
                for name in (f"search/best_{objective}", f"search/{trial.family}_best_{objective}"):
                    best[name] = (max if maximize else min)(value, best.get(name, value))
                    steps[name] = steps.get(name, 0) + 1
                    if steps[name] > self._drawn_to(name):
                        new.append(Metric(name, best[name], trial.ended, steps[name]))
            for start in range(0, len(new), runs.METRICS):
                part = new[start : start + runs.METRICS]
                self.client.log_batch(self.parent.run_id, metrics=part)
                self.drawn |= {metric.key: metric.step for metric in part}

    def _drawn_to(self, name: str) -> int:
        """A step is drawn once: a trial that comes in late, from elsewhere, changes none that is there."""
        if name not in self.drawn:
            there = self.client.get_metric_history(self.parent.run_id, name)
            self.drawn[name] = max((metric.step for metric in there), default=0)
        return self.drawn[name]
