"""A search in MLflow: its parent run found again or opened, and every trial as a child run, once."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from tippingpoint.errors import OutsideError
from tippingpoint.findings import Tried
from tippingpoint.tracking import backend, runs
from tippingpoint.tracking.backend import store_errors

STUDY, TARGET, NUMBER, CLOSED = "study", "tune.trials", "trial", "tippingpoint.closed"
PARENT = "mlflow.parentRunId"
PAGE = 1000


@contextmanager
def search_run(
    client: MlflowClient, experiment: str, name: str, tags: dict[str, str], study: str, target: int
) -> Iterator[runs.Run]:
    """The parent run of a search to so many trials: the one that is there, whoever opened it, or a new one."""
    own = {**tags, STUDY: study, TARGET: str(target)}
    if there := find_search(client, experiment, study, target):
        if there.info.status == "RUNNING":  # another machine's
            yield runs.Run(client, experiment, there.info.run_id)
            return
        with runs.run(client, experiment, name, own, again=there.info.run_id) as opened:
            yield opened
        return
    with runs.run(client, experiment, name, own) as opened:
        yield opened


def find_search(client: MlflowClient, experiment: str, study: str, target: int) -> Run | None:
    """The parent run of a search, the earliest if several machines opened one at the same moment."""
    wanted = f"tags.`tippingpoint.job` = 'tune' and tags.{STUDY} = '{study}' and tags.`{TARGET}` = '{target}'"
    with store_errors():
        found = client.search_runs([experiment], wanted, order_by=["attributes.start_time ASC"])
    return found[0] if found else None


class TrialLog:
    """Child runs of the trials of some studies. What the store refuses is tried again at the next call."""

    def __init__(self, client: MlflowClient, experiment: str, parent: runs.Run, studies: Iterable[str]) -> None:
        self.client, self.experiment, self.parent = client, experiment, parent
        self.studies = list(studies)
        self.done: set[tuple[str, int]] | None = None
        self.unfinished: dict[tuple[str, int], str] = {}
        self.lost_since: float | None = None
        self.drawn = 0  # points of the parent's curves that are there

    def write(self, tried: Iterable[Tried]) -> bool:
        """File the trials that are not filed yet; False when the store cannot be reached now."""
        try:
            with store_errors():
                backend.probe(backend.uri())
                if self.done is None:
                    self._read()
                assert self.done is not None
                for trial in tried:
                    if trial.place not in self.done:
                        self._file(trial)
                        self.done.add(trial.place)
        except OutsideError:
            self.lost_since = self.lost_since or time.monotonic()
            return False
        self.lost_since = None
        return True

    def _read(self) -> None:
        """What is filed already; the children of a smaller target move below this parent."""
        done = set()
        for study in self.studies:
            wanted = f"tags.`tippingpoint.job` = 'trial' and tags.{STUDY} = '{study}'"
            more, token = True, None
            while more:
                page = self.client.search_runs([self.experiment], wanted, max_results=PAGE, page_token=token)
                token = page.token
                more = bool(token)
                for run in page:
                    place = study, int(run.data.tags[NUMBER])
                    if run.info.status == "RUNNING":
                        self.unfinished[place] = run.info.run_id
                        continue
                    if place in done:  # two machines filed it at the same moment
                        self.client.delete_run(run.info.run_id)
                        continue
                    done.add(place)
                    if run.data.tags.get(PARENT) != self.parent.run_id:
                        self.client.set_tag(run.info.run_id, PARENT, self.parent.run_id)
        self.done = done

    def _file(self, trial: Tried) -> None:
        tags = {
            "tippingpoint.job": "trial",
            PARENT: self.parent.run_id,
            STUDY: trial.study,
            NUMBER: str(trial.number),
            "state": trial.state,
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
        with contextlib.suppress(OutsideError), store_errors():
            curves: dict[str, float] = {}
            steps: dict[str, int] = {}
            points = []
            for trial in sorted((t for t in tried if t.values), key=lambda t: (t.ended, t.place)):
                for name in (f"search/best_{objective}", f"search/{trial.family}_best_{objective}"):
                    value = trial.values[objective]
                    worse = name in curves and (curves[name] >= value) == maximize
                    curves[name] = curves[name] if worse else value
                    steps[name] = steps.get(name, 0) + 1
                    points.append(Metric(name, curves[name], trial.ended, steps[name]))
            new = points[self.drawn :]
            for start in range(0, len(new), runs.METRICS):
                self.client.log_batch(self.parent.run_id, metrics=new[start : start + runs.METRICS])
            self.drawn = len(points)
