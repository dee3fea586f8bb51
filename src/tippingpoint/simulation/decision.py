"""What a simulation comes to: ship, do not ship or test first."""

import shlex

import numpy as np

from tippingpoint.config.retyped import typed_as
from tippingpoint.core.overrides import override
from tippingpoint.experiment.decision import Case, Decision, Word, decide, losers, losing_in_words, signed
from tippingpoint.experiment.simulation_result import NONE, THEN, WITHOUT_MODEL, Simulation
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.sufficient_statistics import PAIR


def of_simulation(simulation: Simulation) -> Decision:
    """The decision on what is shown first: the leader, where one was chosen."""
    first = simulation.first
    uplift = {name: row["uplift_per_user"] for name, row in simulation.values.items()}
    simpler = {name: of for name, of in uplift.items() if name.startswith(WITHOUT_MODEL) and name != NONE}
    return decide(
        Case(
            what=" under ".join(first.split(PAIR, 1)),
            contestant=first,
            kind=simulation.kind,
            vetoed=simulation.vetoed,
            uplift=uplift[first],
            unit=f"{simulation.currency} per user",
            simpler=simpler,
            contrasts=simulation.verdicts,
            ranking=_leads(simulation),
            following=_following(simulation),
            guardrails=simulation.guardrails.get(first, ()),
            losing=_losing(simulation),
        )
    )


def _losing(simulation: Simulation) -> str:
    """Which segments' actions lose money on test, of the policy shown first."""
    model, _, policy = simulation.first.partition(PAIR)
    rows = simulation.segments[(simulation.segments["model"] == model) & (simulation.segments["policy"] == policy)]
    gain = f"uplift_per_user_{simulation.kind}"
    found, actions = {}, {}
    for row in rows[rows["action"] != "none"].to_dict("records"):
        if simulation.verdicts and not np.isnan(low := row.get(f"{gain}_low", np.nan)):
            found[row["segment"]] = Estimate(row[gain], None, low, row[f"{gain}_high"])
            actions[row["segment"]] = row["action"]
    return losing_in_words(losers(found), actions, f"{simulation.currency} per user")


def _leads(simulation: Simulation) -> str:
    """Which contestant was chosen, and what the best cut-offs bring where they were chosen on other users."""
    if simulation.leader is None:
        return ""
    led = f"Of the models' policies {simulation.leader} brings most on validation."
    best = simulation.cut_offs()
    if best is None or best.choice is None or best.choice.honest.cuts is None:
        return led
    honest = best.choice.honest
    cuts = " and ".join(f"{cut:.3f}" for cut in honest.cuts or ())
    return f"{led} With {best.model}'s cut-offs {cuts}, chosen there, it would be {signed(honest.uplift)} on test."


def _following(simulation: Simulation) -> dict[Word, str]:
    models = simulation.gathered.about["models"]
    registered = models.get(simulation.first.split(PAIR)[0], {}).get("registered")
    again = override("models", [of["run_id"] for of in models.values()])
    following: dict[Word, str] = {"Do not ship": f"tippingpoint simulate {again} policies='[top_fraction,best_action]'"}
    if registered and (anew := made_anew(simulation, registered)):
        following |= {"Ship": anew, "Test first": anew}
    elif registered:
        version = override("model", registered)
        following |= {
            "Ship": f"tippingpoint promote {version}",
            "Test first": f"tippingpoint score {version} holdout=0.1 …",
        }
    if simulation.vetoed:
        following["Test first"] = f"tippingpoint diagnostics {simulation.vetoed[0]}"
    return following


def made_anew(simulation: Simulation, version: str) -> str:
    """What makes a version of the policy and prices that were simulated; '' where `version` has them already.

    Another policy over the same actions is bound to the model; other actions or prices take a fit.
    """
    about = simulation.gathered.about
    model, _, name = simulation.first.removesuffix(THEN).partition(PAIR)
    own, policy = about.get("own", {}).get(model), simulation.asked.policies.get(name)
    if own is None or policy is None:
        return ""
    asked = {"policy": policy.specification(), "economics": simulation.asked.economics.specification()}
    before = {"policy": own["policy"], "economics": own["prices"]}
    if not (other := [part for part in asked if asked[part] != before[part]]):
        return ""
    words = {part: typed_as(part, asked[part], before[part]) for part in other}
    known = {*own["policy"]["actions"].values()} | ({*about["actions"]} if simulation.kind != "assumed" else set())
    if other == ["policy"] and not policy.chosen_by_outcomes and {*policy.actions.values()} <= known:
        laid_over = all(asked["policy"][key] == before["policy"][key] for key in ("_target_", "name"))
        typed = " ".join(words["policy"][laid_over:])  # what is bound has the version's own policy below it
        return f"tippingpoint policy bind {shlex.quote(version)} {typed}"
    return f"tippingpoint compare {' '.join(word for of in words.values() for word in of)} …"
