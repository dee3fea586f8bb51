"""The trials of a search in MLflow: each a child run, once, whatever died or was away meanwhile."""

from collections.abc import Iterable, Mapping

from tippingpoint.core import stopping
from tippingpoint.core.errors import OutsideError
from tippingpoint.tracking import backend, runs
from tippingpoint.tracking.backend import store_errors
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import Metric, Param, RunTag
from tippingpoint.tracking.tags import DATA, PARENT
from tippingpoint.tuning.result import Tried

STUDY, NUMBER = "study", "trial"


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
        self, client: Client, experiment: str, parent: runs.Run, studies: Mapping[str, str], data: str
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
            for run in list(runs.in_pages(self.client, [self.experiment], wanted)):  # before any is deleted
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
        stopping.check()
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
