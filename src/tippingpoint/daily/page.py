"""The run of a day: one page in MLflow, whose tags say which steps are done and what came of them."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from filelock import FileLock

from tippingpoint.core import leases
from tippingpoint.core.errors import OutsideError, TippingpointError
from tippingpoint.tracking import backend
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import LEASE, Run, StoredRun, in_pages
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.tags import JOB

KEY, STEP, MODEL = "tippingpoint.day", "tippingpoint.day.", "model_version"
"""Tags: which day, question and campaign it is; the beginning of a step's; the version that decides."""
LENGTH = 5_000
"""Characters that MLflow keeps of a tag."""
SETTLES = 1.0
"""Seconds in which a write of another machine to a page is seen here."""


@dataclass(frozen=True)
class Step:
    """What came of a step, small enough for a tag.

    Parameters
    ----------
    said
        In words.
    asks
        Why a person is asked to look; empty where nobody is.
    figures
        Metrics of the day's page.
    """

    said: str
    asks: str = ""
    figures: dict[str, float] = field(default_factory=dict)


def key_of(question: str, campaign: str, day: str) -> str:
    """What tells the page of a day from all others."""
    return json.dumps([question, campaign, day], ensure_ascii=False)


def find_page(client: Client, key: str) -> StoredRun | None:
    """The page of a day, whether it was closed or left; None where the day was never begun.

    Raises
    ------
    OutsideError
        When another process is at it, or the store cannot be used.
    """
    found = next(iter(_pages(client, key)), None)
    if found is not None and found.info.status == "RUNNING":
        raise _taken(key)
    return found


@contextmanager
def held(client: Client, experiment: str, name: str, tags: Mapping[str, str], there: StoredRun | None) -> Iterator[Run]:
    """Hold the page of a day, new or as `find_page` gave it: no two processes hold it at once.

    A new page that ends with an error before any step is done is taken away again.

    Raises
    ------
    OutsideError
        When another process was quicker; nothing was done here.
    """
    # On one machine a lock lets one after the other look and write. Elsewhere the store decides: each looks again
    # once its own page stands there, so of two at least one sees the other, and whoever sees another withdraws.
    key, again = tags[KEY], None if there is None else there.info.run_id
    page: Run | None = None
    place = hashlib.sha256(f"{backend.uri()} {key}".encode()).hexdigest()[:32]
    leases.FOLDER.mkdir(mode=0o700, exist_ok=True)
    try:
        with ExitStack() as stack:
            with FileLock(leases.FOLDER / f"{place}.day"):
                if _state(find_page(client, key)) != _state(there):
                    raise _taken(key)
                page = stack.enter_context(tracked(client, experiment, name, tags, again=again))
            _withdraw_if_seen(client, key, page, again)
            yield page
    except TippingpointError:
        if again is None and page is not None and not done(client.get_run(page.run_id)):
            with backend.store_errors():
                client.delete_run(page.run_id)
        raise


def _withdraw_if_seen(client: Client, key: str, page: Run, again: str | None) -> None:
    if again is None:
        others = [of.info.run_id for of in _pages(client, key)] != [page.run_id]
    else:
        own = client.get_run(again).data.tags[LEASE]
        time.sleep(SETTLES)
        others = page.lost = client.get_run(again).data.tags[LEASE] != own
    if others:
        raise _taken(key)


def _pages(client: Client, key: str) -> list[StoredRun]:
    """All pages of a day, the first begun first: more than one only while several processes claim it."""
    with backend.store_errors():
        ids = [experiment.experiment_id for experiment in backend.every(client.search_experiments)]
        wanted = f"tags.`{KEY}` = {backend.literal(key)} and tags.`{JOB}` = 'daily'"
        return list(in_pages(client, ids, wanted, ["attributes.start_time ASC"], 10))


def _state(page: StoredRun | None) -> tuple[str, str, frozenset[str]] | None:
    return None if page is None else (page.info.run_id, page.info.status, frozenset(done(page)))


def _taken(key: str) -> OutsideError:
    what = f"another process is at {' '.join(filter(None, json.loads(key)))}"
    return OutsideError("daily", what, "Type the same line once it is done.")


def done(page: StoredRun | None) -> dict[str, Step]:
    """The steps that are done, in the order of their names."""
    tags = page.data.tags if page is not None else {}
    return {name.removeprefix(STEP): Step(**json.loads(text)) for name, text in tags.items() if name.startswith(STEP)}


def finish(page: Run, name: str, step: Step) -> None:
    """Put a step's figures on the page, then say that it is done."""
    page.metrics(dict(step.figures))
    page.tags({f"{STEP}{name}": json.dumps(_short(asdict(step)), ensure_ascii=False)})


def _short(node: dict[str, Any]) -> dict[str, Any]:
    """The figures stand on the page; words are cut where a tag would not hold them."""
    return {"said": node["said"][: LENGTH // 3], "asks": node["asks"][: LENGTH // 3]}
