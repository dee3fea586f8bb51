"""Filing a simulation: a parent run with everything, and a child a model whose curves overlay in the UI."""

import gzip
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.by_share import CLICKS, by_share
from tippingpoint.experiment.diagnostics import tags as found_tags
from tippingpoint.experiment.revaluation import outcome_line, priced_line, usable
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.experiment.simulation_result import Simulation
from tippingpoint.experiment.thresholds import CutOffs, SimulationRequest
from tippingpoint.experiment.treated_figure import picture
from tippingpoint.offpolicy.hidden_driver import FLIPS_FROM
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.reports.markdown import shortened
from tippingpoint.reports.palette import colour
from tippingpoint.simulation import figures
from tippingpoint.simulation.page import page
from tippingpoint.simulation.report import simulation_card
from tippingpoint.simulation.treated import treated
from tippingpoint.tracking import backend, views
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import COLOUR, Run
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.stored import STATISTICS
from tippingpoint.tracking.tags import JOB

REPORT = "simulation.html"


def record(
    client: Client, experiment: str, simulation: Simulation, settings: SimulateSettings, origin: list[str]
) -> RunReference:
    """File a simulation.

    Parameters
    ----------
    origin
        Run ids of the simulation whose statistics were priced anew; empty where users were read.
    """
    about = simulation.gathered.about
    common = {
        **provenance().tags(),
        "question": about["question"],
        "evidence": simulation.label,
        "data_digest": about["data_digest"],
        "seed": str(about["seed"]),
    }
    tags = {**common, JOB: "simulate", **({"repriced": origin[0]} if origin else {})}
    tags |= {"leader": simulation.leader} if simulation.leader else {}
    tags |= found_tags(simulation.findings)
    with tracked(client, experiment, f"simulate · {about['origin']}", tags) as parent:
        _parent(simulation, settings, parent)
        for model in about["models"]:
            own = {**common, JOB: "simulated", COLOUR: colour(model.split()[0])}
            with tracked(client, experiment, f"{model} · simulated · {about['origin']}", own, parent) as child:
                _child(simulation, model, child)
        saved = views.seed(client, experiment, [views.uplift(simulation.kind)])
        pages = {"Report": backend.page(f"{parent.path}/artifacts/{REPORT}"), **saved}
        described = simulation_card(simulation) + CLICKS + views.described(pages)
        parent.tags({"mlflow.note.content": shortened(described, "run")})
    return RunReference(parent.run_id, backend.page(parent.path), None, pages)


def _parent(simulation: Simulation, settings: SimulateSettings, run: Run) -> None:
    about, economics = simulation.gathered.about, simulation.asked.economics
    asked = _asked(simulation.asked)
    config = settings.filed() | asked
    run.params(
        {
            "models": ", ".join(about["models"]),
            "policies": ", ".join(simulation.asked.policies),
            "data": about["origin"],
            **{f"economics.{key}": value for key, value in economics.model_dump(mode="json").items()},
            **{key: asked[key] for key in ("least", "smallest_uplift", "sensitivity")},
            **{key: about[key] for key in ("cuts", "seed")},
            "budget": asked["budget"],
            "diagnostics": config["diagnostics"],
        }
    )
    if simulation.leader:
        run.metrics(_metrics(simulation, simulation.leader, simulation.cut_offs()))
    for model in about["models"]:
        run.metrics(_break_even(simulation, model, f"{_plain(model)}/"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "tables").mkdir()
        for name, table in simulation.tables().items():
            table.to_csv(folder / "tables" / f"{name}.csv", index=False)
        if (pairs := simulation.surface_table()) is not None:
            text = pairs.write_csv(float_precision=6).encode()
            (folder / "tables/surface.csv.gz").write_bytes(gzip.compress(text, 6, mtime=0))
        (folder / REPORT).write_text(page(simulation))
        if best := simulation.cut_offs():
            figures.picture(folder / "figures/surface.png", simulation, best)
        picture(folder / "figures/uplift_by_share.png", treated(simulation))
        figures.hidden_driver(folder / "figures", simulation)
        priced = replace(simulation.gathered, about={**about, "prices": economics.specification(), "asked": asked})
        (folder / STATISTICS).write_bytes(priced.dump())
        written = {**config, "policies": {n: p.specification() for n, p in simulation.asked.policies.items()}}
        written["economics"] = economics.specification()
        (folder / "simulate.yaml").write_text(yaml.safe_dump(written, sort_keys=False, allow_unicode=True))
        run.artifacts(folder)


def _asked(asked: SimulationRequest) -> dict[str, Any]:
    """What was asked of the statistics, as the config has it; a simulation priced anew is asked it again."""
    budget: dict[str, float | int | None] = {"contacts": None, "money": None, "of_users": None}
    if (limit := asked.budget) is not None:
        budget |= {limit.unit: limit.total, "of_users": limit.users}
    keys = ("least", "smallest_uplift", "sensitivity")
    guarded = {"guardrails": dict(asked.guardrails)} if asked.guardrails else {}
    return {"budget": budget, **{key: getattr(asked, key) for key in keys}, **guarded}


def _child(simulation: Simulation, model: str, run: Run) -> None:
    contestant = next(name for name in simulation.values if name.split(PAIR)[0] == model)
    cut_offs = next((s for s in simulation.all_cut_offs if s.model == model), None)
    about, policy = simulation.gathered.about, contestant.split(PAIR)[1]
    what = {"data": about["origin"], "policy": policy, "policy.name": policy, "economics": about["economics"]["name"]}
    run.params({"model": model, **what, **about["models"][model]})
    run.metrics(_metrics(simulation, contestant, cut_offs) | _break_even(simulation, model))
    if contestant in simulation.hidden:
        run.curves(simulation.hidden[contestant].steps(f"policy/{simulation.kind}"))
    cells, economics = simulation.gathered.along(model, policy).test, simulation.asked.economics
    money, counted = priced_line(about, economics), outcome_line(about, economics)
    run.curves(by_share(cells, money, counted, about["actions"], usable(economics, tuple(about["actions"]))))


def _metrics(simulation: Simulation, contestant: str, cut_offs: CutOffs | None) -> dict[str, Estimate | float]:
    prefix = f"policy/{simulation.kind}"
    found: dict[str, Estimate | float] = {f"{prefix}/{n}": e for n, e in simulation.values[contestant].items()}
    if (flips_from := simulation.flips_from(contestant)) is not None:
        found[f"{prefix}/{FLIPS_FROM}"] = flips_from
    if cut_offs is not None and cut_offs.choice is not None:
        for how in ("honest", "apparent"):
            found[f"{prefix}/{how}_uplift_per_user"] = getattr(cut_offs.choice, how).uplift
        if cut_offs.budgeted is not None:
            found[f"{prefix}/budgeted_uplift_per_user"] = cut_offs.budgeted.honest.uplift
        if cut_offs.regret is not None:
            found[f"{prefix}/cut_regret_per_user"] = cut_offs.regret
    return found


def _break_even(simulation: Simulation, model: str, under: str = "") -> dict[str, Estimate | float]:
    """Of what is assumed all that stands without the assumption: from which response on each segment's action pays."""
    prefix = f"policy/{simulation.kind}/break_even_response/{under}"
    return {
        f"{prefix}{_plain(row['policy'])}/{_plain(row['segment'])}": float(row["break_even_response"])
        for row in simulation.break_even_table().to_dict("records")
        if row["model"] == model
    }


def _plain(name: str) -> str:
    """A name as MLflow takes it in metrics."""
    return "".join(c if c.isalnum() or c in "_-. " else "_" for c in name)
