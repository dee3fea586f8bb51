"""Decisions as a folder of parts: a job that was killed goes on with the part it was at."""

import json
import os
from pathlib import Path
from typing import Any

import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.data.writing import for_spreadsheets
from tippingpoint.decisions.batch_statistics import Tally
from tippingpoint.scoring.writers import File, kept

MANIFEST, ASIDE = "_manifest.json", "_quarantine"
"""Readers of a folder of Parquet skip names that begin with _."""


class Parts:
    """A folder of Parquet files, one a chunk, and a manifest: what they were made of, and how many are whole.

    A part is whole before the manifest counts it, and one that is not counted is written again, with the same bytes.
    Quarantined rows are in `_quarantine/`, part by part.

    Parameters
    ----------
    made_of
        What decides about every byte of the parts: digests of input and settings, versions.
    """

    def __init__(self, folder: Path, made_of: dict[str, Any], scored_at: str) -> None:
        self.folder, self.made_of = folder, made_of
        self.done, self.complete, self.tally, self.scored_at = 0, False, Tally(), scored_at
        if folder.is_file():
            raise InputError(f"to={folder}", "is a file; parts need a folder", "Name another place.")
        path = folder / MANIFEST
        if not path.exists():
            if folder.is_dir() and any(not f.name.startswith(".") for f in folder.iterdir()):
                raise InputError(f"to={folder}", "holds files that no job of parts wrote", "Name another folder.")
            return
        try:
            there = json.loads(path.read_text())
            self.done, self.complete = int(there["parts"]), bool(there["complete"])
            self.tally, self.scored_at = Tally.from_dict(there["tally"]), str(there["scored_at"])
            before = there["made_of"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"to={folder}", f"its {MANIFEST} was not written by tippingpoint", "Name another folder."
            ) from error
        if differing := [key for key in made_of if before.get(key) != made_of[key]]:
            said = ", ".join(f"{key} {before.get(key)} and not {made_of[key]}" for key in differing)
            raise InputError(
                f"to={folder}",
                f"holds {'all' if self.complete else f'{self.done}'} parts of another job: {said}",
                "Name another folder, or remove this one.",
            )

    def begin(self) -> None:
        """Say whose the parts are, before the first stands there."""
        if not self.done:
            self._write()

    def add(self, table: pl.DataFrame, broken: pl.DataFrame, tally: Tally) -> None:
        """Write the next part, and count it."""
        self.begin()
        written(self.folder, self.done, table, broken)
        self.done, self.tally = self.done + 1, self.tally + tally
        self._write()

    def gathered(self, done: int, tally: Tally) -> None:
        """Count parts that others wrote."""
        self.done, self.tally = done, tally
        self._write()

    def finish(self) -> None:
        """Say that there are no more."""
        self.complete = True
        self._write()

    def _write(self) -> None:
        node = {
            "made_of": self.made_of,
            "scored_at": self.scored_at,
            "parts": self.done,
            "complete": self.complete,
            "tally": self.tally.to_dict(),
        }
        put(self.folder / MANIFEST, node)


def written(folder: Path, k: int, table: pl.DataFrame, broken: pl.DataFrame, attempt: str = "") -> None:
    """Write a part, and the rows of it that are set aside; `attempt` tells writers of the same part apart."""
    with File(folder / f"part-{k:05d}.parquet", attempt) as part:
        part.add(table)
    if len(broken):
        with File(folder / ASIDE / f"part-{k:05d}.csv", attempt) as aside:
            aside.add(for_spreadsheets(broken)[0])


def put(path: Path, node: dict[str, Any], attempt: str = "") -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".{path.name}{attempt}.part"
    with part.open("w") as file:
        json.dump(node, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    kept(path.parent)
