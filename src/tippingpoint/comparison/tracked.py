"""Refits filed with a comparison as they are done: one that is cut short is gone on with by the next."""

import io
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from tippingpoint.experiment.fitting import Decided
from tippingpoint.tracking import backend
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import Run
from tippingpoint.tracking.stored import fetch

FOLDER = "refits"


@dataclass(frozen=True)
class FiledRefits:
    """Artifacts of a run, and of the run of the same digest that was cut short before.

    Parameters
    ----------
    before
        The run to take over from; None where there is none.
    there
        Paths of what it has.
    """

    client: Client
    run: Run
    before: str | None
    there: frozenset[str]

    @classmethod
    def of(cls, client: Client, run: Run, before: str | None) -> Self:
        """Refits of an open run."""
        with backend.store_errors():
            listed = client.list_artifacts(before, FOLDER) if before else []
        return cls(client, run, before, frozenset(file.path for file in listed))

    def get(self, name: str) -> Decided | None:
        """Return what the run before had under a name, filed with this one too."""
        path = _path(name)
        if self.before is None or path not in self.there:
            return None
        content = fetch(self.client, self.before, path)
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            about = json.loads(str(kept["about"]))
            decision, column = kept["decision"].astype(np.int64), kept["by_column"].astype(np.int64)
            decided = Decided(
                about["learnt"], decision, about["validation"], dict(zip(about["columns"], column, strict=True))
            )
        if self.before != self.run.run_id:
            self.put(name, decided)
        return decided

    def put(self, name: str, decided: Decided) -> None:
        """File a refit."""
        column = [*decided.by_column.values()]
        about = {"learnt": decided.learnt, "validation": decided.validation, "columns": [*decided.by_column]}
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary, _path(name))
            path.parent.mkdir()
            np.savez_compressed(
                path,
                decision=decided.decision.astype(np.int16),
                by_column=np.reshape(column, (len(column), -1)).astype(np.int16),
                about=np.array(json.dumps(about)),
            )
            self.run.artifacts(Path(temporary))


def _path(name: str) -> str:
    plain = re.sub(r"[^\w-]", "_", name)
    return f"{FOLDER}/{plain}.npz"
