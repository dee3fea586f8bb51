"""What is shown of two runs side by side: one page, one screen, and links from both."""

import tempfile
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.comparison.two_runs_found import Side, TwoRuns, better
from tippingpoint.experiment.diagnostics import diagnosed
from tippingpoint.reports.console import pages, plain_table
from tippingpoint.reports.estimates import interval
from tippingpoint.reports.html import Figure, axis, layout, numbers, render
from tippingpoint.reports.markdown import shortened
from tippingpoint.reports.palette import COLOURS
from tippingpoint.tracking import backend
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import Run
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.tags import DATA, JOB

PAGE = "two_runs.html"
HEIGHT = 380
NOTE = "mlflow.note.content"
LISTED = 40
"""Keys of the configs that a terminal lists."""


def said(found: TwoRuns) -> list[str]:
    """What it comes to, a sentence a line."""
    words = [f"{name} {interval(of, 4)} ({better(name, of)})" for name, of in found.metrics.items()]
    lines = [
        f"{found.second.label} less {found.first.label}, paired on {found.users:,} test users: {', '.join(words)}."
    ]
    unit = f"{found.currency} per user ({found.kind})"
    worth = "not known, as evidence is assumed" if found.value is None else f"{interval(found.value, 4)} {unit}"
    lines.append(f"{found.changed:,} users get another action, which is worth {worth}.")
    if found.first.model.data_digest != found.second.model.data_digest:
        lines.append("They were fitted on different users: a difference may be the data's.")
    return lines


def summary(found: TwoRuns) -> RenderableType:
    """One screen."""
    table = plain_table("What differs", ["key", "first", "second"])
    for row in found.differing.head(LISTED).to_dict("records"):
        table.add_row(row["key"], str(row["first"])[:40], str(row["second"])[:40])
    moved = plain_table(
        "Users whose action changes", ["from", "to", "users", f"{found.currency} in all ({found.kind})"]
    )
    for row in found.movement.to_dict("records"):
        moved.add_row(row["from"], row["to"], f"{row['users']:,}", f"{row['gain']:+.1f}")
    where = pages({"Page": found.page}) if found.page else []
    return Group(table, moved, *map(Text, said(found)), *diagnosed(found.findings), *where)


def page(found: TwoRuns) -> str:
    """One HTML page that loads nothing from anywhere."""
    figures = _uplift(found) | {"shap": _shap(found)}
    if not found.first.shares and not found.second.shares:
        figures.pop("shap")
    return render(
        "two_runs.html.j2",
        figures,
        found=found,
        told=said(found),
        differing=found.differing.to_dict("records"),
        movement=found.movement.to_dict("records"),
        plots=[key for key in figures if key != "shap"],
        shap="shap" in figures,
        height=HEIGHT,
    )


def _uplift(found: TwoRuns) -> dict[str, Figure]:
    """Uplift by share treated, a figure an action; both on one axis."""
    figures: dict[str, Figure] = {}
    names = [key for key in found.first.curves if key.endswith("/uplift_per_user") and key in found.second.curves]
    for k, key in enumerate(names):
        data: list[dict[str, Any]] = []
        for side, hue in ((found.first, COLOURS[0]), (found.second, COLOURS[2])):
            data += _band(side, key, hue)
        action = key.split("/")[-2]
        drawn = layout("users treated, highest scores first (%)", f"{action}: {found.currency} per user", HEIGHT)
        figures[f"uplift{k}"] = {"data": data, "layout": drawn}
    return figures


def _band(side: Side, key: str, hue: str) -> list[dict[str, Any]]:
    steps, values = side.curves[key]
    order = steps.argsort(kind="stable")
    line = {"type": "scatter", "mode": "lines", "x": steps[order].tolist(), "y": numbers(values[order], 6)}
    marks = [{**line, "name": side.label, "line": {"color": hue}}]
    for end in ("_low", "_high"):
        if f"{key}{end}" in side.curves:
            ends = numbers(side.curves[f"{key}{end}"][1][order], 6)
            marks.append({**line, "y": ends, "line": {"color": hue, "dash": "dot", "width": 1}, "showlegend": False})
    return marks


def _shap(found: TwoRuns) -> Figure:
    """Shares of mean |SHAP| side by side."""
    columns = list(dict.fromkeys([*found.first.shares, *found.second.shares]))
    columns.sort(key=lambda c: found.first.shares.get(c, 0) + found.second.shares.get(c, 0))
    data = [
        {"type": "bar", "orientation": "h", "name": side.label, "marker": {"color": hue}, "y": columns,
         "x": numbers([side.shares.get(c, 0) for c in columns], 4)}
        for side, hue in ((found.first, COLOURS[0]), (found.second, COLOURS[2]))
    ]  # fmt: skip
    drawn = layout("share of mean |SHAP|", "", HEIGHT)
    drawn["yaxis"] = axis("", automargin=True)
    return {"data": data, "layout": drawn}


def record(client: Client, found: TwoRuns) -> str:
    """File the page in a run of its own, linked from both; returns its address."""
    one, other = found.first, found.second
    name = f"{one.run.info.run_name} beside {other.run.info.run_name}"
    tags = {**provenance().tags(), JOB: "compare_runs", DATA: one.model.data_digest, "question": one.model.question}
    with tracked(client, one.model.experiment, name, tags) as run:
        run.params({"first": one.run.info.run_id, "second": other.run.info.run_id})
        values = {f"difference/{metric}": of for metric, of in found.metrics.items()}
        values |= {} if found.value is None else {f"difference/{found.kind}/value_per_user": found.value}
        run.metrics(values)
        with tempfile.TemporaryDirectory() as temporary:
            Path(temporary, PAGE).write_text(page(found))
            run.artifacts(Path(temporary))
        address = backend.page(f"{run.path}/artifacts/{PAGE}")
        link = f"#{address.partition('#')[2]}"
        run.tags({NOTE: f"[Page]({link})\n\n" + "\n\n".join(said(found))})
    for side, beside in ((one, other), (other, one)):
        _link(client, side, f"[Beside {beside.label}]({link})")
    return address


def _link(client: Client, side: Side, link: str) -> None:
    """Put a link at the end of what a run's description says first, once."""
    note = client.get_run(side.run.info.run_id).data.tags.get(NOTE, "")
    lines = [line for line in note.split("\n") if not line.startswith(link.partition("]")[0])]
    kept = "\n".join(lines).strip()
    last = f"{kept}\n\n{link}"
    first = shortened(f"{link}\n\n{kept}", "run")
    run = Run(client, side.run.info.experiment_id, side.run.info.run_id)
    run.tags({NOTE: last if shortened(last, "run") == last else first})
