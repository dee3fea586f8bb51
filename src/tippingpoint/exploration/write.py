"""`tippingpoint data write`: generated users as a file, generated events as Mixpanel's and Stripe's exports."""

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.data.events.exports import Properties
from tippingpoint.data.events.mixpanel import write_mixpanel
from tippingpoint.data.events.stripe import write_stripe
from tippingpoint.data.generators.event_log import VOCABULARY, EventLog
from tippingpoint.data.generators.world import World
from tippingpoint.data.source import Source
from tippingpoint.data.writing import replacing, write_blocks
from tippingpoint.exploration.settings import TableSettings
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result

PROPERTIES = Properties(
    seconds="seconds", platform="platform", country="mp_country_code", variant="Variant name", user_id="user_id"
)
"""Where the exports hold what features need: what `data=events` reads by default."""


@dataclass(frozen=True, repr=False)
class WriteResult(Result):
    """What was written: rows (or events) by file."""

    written: dict[str, int]
    next: str

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def render(self) -> RenderableType:
        """A line a file, and what to type next."""
        lines = [f"{path}: {rows:,} rows" for path, rows in self.written.items()]
        return Group(*(Text(line, no_wrap=True, overflow="ignore") for line in (*lines, f"Next: {self.next}")))


def write(settings: TableSettings) -> WriteResult:
    """Write what a generator draws, block by block: memory stays bounded, and a file is there whole or not at all.

    A world of one table goes to the file `to` (CSV, .csv.gz or .parquet), an event log to files in the folder `to`.

    Raises
    ------
    InputError
        For data that is not generated, without a place to write to, or when that cannot be written.
    """
    source = settings.data.build(Source, "data")
    to = settings.to or (source.file if isinstance(source, World) else None)
    if not isinstance(source, World | EventLog):
        raise InputError(
            "data", f"{source.origin} is not generated", "Type data=case_study, streamzone, retention or criteo_like."
        )
    if to is None:
        what = "Type to=users.csv, .csv.gz or .parquet." if isinstance(source, World) else "Type to=events, a folder."
        raise InputError("to", "not given", what)
    # Some data bring their own policy and prices, which what is written no longer does.
    brought = [f"{group}={getattr(settings, group).arguments['name']}" for group in ("policy", "economics")]
    with progress(1) as step:
        step(f"writing {to}")
        if isinstance(source, EventLog):
            return _events(source, Path(to), brought)
        rows = write_blocks((users.table() for users in source.blocks()), Path(to))
    words = ["tippingpoint compare data=csv", override("data.path", to), _roles(source), *brought]
    return WriteResult({to: rows}, " ".join(words))


def _roles(world: World) -> str:
    """What `data=csv` must be told of the table: without it a model would see action and measures.

    Chances that differ between users are in no column: they are estimated again (evidence `logged`).
    """
    roles = [override("data.target", world.written.outcome), override("data.action", world.written.action)]
    if world.logging.kind == "randomised":
        roles.append(override("data.logging_probability", _chances(world.logging.chances)))
    if world.written.measures:
        roles.append(override("data.measures", world.written.measures))
    return " ".join(roles)


def _events(source: EventLog, folder: Path, brought: list[str]) -> WriteResult:
    product, payments = folder / "product.jsonl", folder / "payments.jsonl"
    events = paid = 0
    with ExitStack() as stack:
        to_product, to_payments = (stack.enter_context(replacing(path)) for path in (product, payments))
        for block in source.blocks():
            write_mixpanel(block.product, PROPERTIES, to_product)
            write_stripe(block.payments, PROPERTIES, to_payments)
            events, paid = events + len(block.product), paid + len(block.payments)
    roles = [override("data.product", str(product)), override("data.payments", str(payments))]
    roles += [override("data.outcome", source.outcome), override("data.vocabulary.exposure", VOCABULARY.exposure)]
    if source.logging.kind == "randomised":
        roles.append(override("data.logging", _chances(source.logging.chances)))
    return WriteResult(
        {str(product): events, str(payments): paid}, " ".join(["tippingpoint compare data=events", *roles, *brought])
    )


def _chances(chances: dict[str, float]) -> dict[str, float]:
    return {action: float(f"{chance:g}") for action, chance in chances.items()}
