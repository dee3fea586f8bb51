"""`tippingpoint features`: the users of raw events as of a day, with the features a model would read, as a file."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import RenderableType
from rich.text import Text

from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.data.events.as_of import refuse_ahead
from tippingpoint.data.events.source import EventSource
from tippingpoint.data.source import Source
from tippingpoint.data.writing import write_blocks
from tippingpoint.exploration.settings import FeatureSettings
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result


@dataclass(frozen=True, repr=False)
class FeaturesResult(Result):
    """What was written, and of which log."""

    to: str
    users: int
    as_of: str
    origin: str

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def render(self) -> RenderableType:
        """What was written, and what to type next."""
        if not self.users:
            return Text(
                f"{self.to}: no users. Nobody of {self.origin} came to their cut-off in the days before {self.as_of}.\n"
                "Next: type days=30 for more of them, or another as_of."
            )
        said = f"{self.to}: {self.users:,} users of {self.origin}, with what was received before {self.as_of}"
        return Text(f"{said}.\nNext: tippingpoint score {override('input', self.to)} to=decisions.parquet")


def features(settings: FeatureSettings) -> FeaturesResult:
    """Write `user_id`, `cut_off` and features of who came to their cut-off in the days before `as_of`.

    Raises
    ------
    InputError
        When the data are no raw events, the log lacks what features are made of, or the file cannot be written.
    """
    source = settings.data.build(Source, "data")
    if not isinstance(source, EventSource):
        raise InputError("data", f"{source.origin} is no log of raw events", "Type data=events, or data=event_log.")
    if settings.as_of is None:
        raise InputError("as_of", "not given", "Type as_of=2026-03-01.")
    if settings.to is None:
        raise InputError("to", "not given", "Type to=users.parquet, .csv or .csv.gz.")
    refuse_ahead(settings.as_of)
    with progress(1) as step:
        step(f"making users of {source.origin} as of {settings.as_of}")
        table = source.as_of(settings.as_of, settings.days)
        texts = [name for name, kind in table.schema.items() if kind == pl.String]
        block = table.to_pandas().astype(dict.fromkeys(texts, "str"))  # one without a value has no type of its own
        write_blocks([block], Path(settings.to))
    return FeaturesResult(settings.to, len(table), settings.as_of.isoformat(), source.origin)
