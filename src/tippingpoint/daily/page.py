"""The run of a day: one page in MLflow, whose tags say which steps are done and what came of them."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from tippingpoint.core.errors import OutsideError
from tippingpoint.tracking import backend
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import Run, StoredRun, in_pages
from tippingpoint.tracking.tags import JOB

KEY, STEP, MODEL = "tippingpoint.day", "tippingpoint.day.", "model_version"
"""Tags: which day, question and campaign it is; the beginning of a step's; the version that decides."""
LENGTH = 5_000
"""Characters that MLflow keeps of a tag."""


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
    with backend.store_errors():
        ids = [experiment.experiment_id for experiment in backend.every(client.search_experiments)]
        wanted = f"tags.`{KEY}` = {backend.literal(key)} and tags.`{JOB}` = 'daily'"
        found = next(in_pages(client, ids, wanted, ["attributes.start_time ASC"], 10), None)
    if found is not None and found.info.status == "RUNNING":
        what = f"another process is at {' '.join(filter(None, json.loads(key)))}"
        raise OutsideError("daily", what, "Type the same line once it is done.")
    return found


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
