"""The page of cut-offs: value of other choices with intervals, and who would move."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import streamlit as st

from tippingpoint.dashboard import figures, login
from tippingpoint.dashboard.scenario import Board, Scenario, as_yaml, board
from tippingpoint.dashboard.state import plain, session, subject, users
from tippingpoint.dashboard.tables import between, frame
from tippingpoint.dashboard.views.segments import promised
from tippingpoint.experiment.simulation_result import Simulation
from tippingpoint.offpolicy.choice import Valued
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.sufficient_statistics import PAIR as BETWEEN
from tippingpoint.policies.lint import diff
from tippingpoint.reports.estimates import evidence_in_words
from tippingpoint.simulation.decision import of_simulation

DRAWN = 90
"""Cut-offs on an axis of the picture."""
PAIR = "pair"


def page() -> None:
    """Sliders over the statistics of the champion's simulation."""
    about = subject()
    st.title("Cut-offs")
    found = board(about)
    if found is None:
        _without()
        return
    mine, simulation = session(), found.simulation
    if mine.cuts is None:
        mine.cuts = found.policy.cuts
    unit = f"{simulation.currency} per 1,000 users, {simulation.label}"
    st.markdown(
        f"What the policy adds over doing nothing, on {found.test.users:,} test users. Where that comes from:"
        f" {plain(evidence_in_words(simulation.kind, simulation.vetoed))}."
    )
    _decided(simulation)
    _diagnosed(simulation)
    moved = _sliders(found)
    if moved is None:
        return
    mine.cuts = moved
    now, then = found.scenario(moved), found.scenario(found.policy.cuts)
    _figures(now, then, unit)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        limit = st.number_input("At most so many contacts of 1,000 users", 1, 1000, 200, 10, key="contacts")
    within = found.within(float(limit))
    best = found.cut_offs.choice
    rows = {"as registered": then.of} | ({"moved": now.of} if now.at != then.at else {})
    rows |= {"best": best.honest} if best else {}
    rows |= {"within the budget": within.honest} if within else {}
    left, right = st.columns([5, 4])
    with left:
        marks = {name: of.cuts for name, of in rows.items()}
        first = _pair(found, now)
        drawn = found.picture(now.at, first, DRAWN)
        figures.draw(figures.surface(drawn, found.cut_offs.bands, marks, unit), "surface", 430)
        if len(now.at) > 2:
            st.caption("The other cut-offs are held as moved; each mark is drawn by these two alone.")
    with right:
        frame(_table(found, rows), hide_index=True)
        st.caption(_how(found, rows, float(limit)))
    others = {"as registered": then} | {
        name: found.scenario(cuts)
        for name, choice in {"best": best, "within the budget": within}.items()
        if choice is not None and (cuts := choice.honest.cuts) and list(cuts) == sorted(set(cuts))  # no band is empty
    }
    _without_model(simulation, f"{found.model}{BETWEEN}{found.policy.name}")
    _who_moves(others, now)
    _save(now, then)


def _decided(simulation: Simulation) -> None:
    """The decision on the policy as it is registered, in the words of reports and terminal."""
    decision = replace(of_simulation(simulation), following="")  # who reads this page types nothing
    first, *others = map(plain, decision.lines)
    colour = {"Ship": "green", "Do not ship": "red", "Test first": "orange"}[decision.word]
    with st.container(border=True):
        st.markdown("\n\n".join([f"#### :{colour}[{first}]", *others]))


def _diagnosed(simulation: Simulation) -> None:
    """What diagnostics found, in the words of every other place."""
    told = [finding for finding in simulation.findings if finding.takes_intervals]
    for finding in told:
        st.error(plain(finding))
    if more := [finding for finding in simulation.findings if not finding.takes_intervals]:
        with st.expander(f"Diagnostics: {len(more)} more"):
            for finding in more:
                st.markdown(f"- {plain(finding)}")


def _without_model(simulation: Simulation, contestant: str) -> None:
    """What giving one action to everyone brings, and what the policy as registered brings over that."""
    table, unit = simulation.without_model(contestant), f"{simulation.currency} per 1,000 users ({simulation.label})"
    if table.empty or contestant not in simulation.values:
        return
    st.subheader("Without a model")
    shown = pd.DataFrame({"policy": table["policy"].map(plain), f"uplift, {unit}": table["uplift"].map(_thousand)})
    if table["difference"].notna().any():
        shown["the registered policy brings more by"] = table["difference"].map(_thousand)
        shown["the registered policy is"] = table["verdict"]
    frame(shown, hide_index=True)
    if table["difference"].notna().any():
        st.caption("Differences user by user; intervals hold for all pairs of the contest together (95 %, max-t).")


def _thousand(of: Estimate | None) -> str:
    """Money per 1,000 users, with its interval."""
    return between(of, 0, 1000)


def _sliders(found: Board) -> tuple[float, ...] | None:
    """One for each cut-off; None while they do not rise."""
    policy, before = found.policy, session().cuts or found.policy.cuts
    step = 0.01 if min(policy.cuts) >= 0.1 else 0.001
    cuts = []
    for k, place in enumerate(st.columns(max(len(policy.cuts), 2))[: len(policy.cuts)]):
        segment = policy.segments[k + 1]
        name = f"{plain(segment)} ({plain(policy.actions[segment])}) from"
        at = min(max(float(before[k]), 0.0), 1.0)
        cuts.append(
            float(
                place.slider(
                    name,
                    0.0,
                    1.0,
                    at,
                    step,
                    format="%.2f" if step == 0.01 else "%.3f",
                    key=f"cut {k} {subject().reference}",
                )
            )
        )
    if cuts != sorted(set(cuts)):
        st.warning("Each segment must start above the one before it. Move one of them.")
        return None
    return tuple(policy.cuts[k] if abs(cut - policy.cuts[k]) < step / 2 else cut for k, cut in enumerate(cuts))


def _pair(found: Board, now: Scenario) -> int:
    """Number of the first of the two cut-offs that are drawn: those around the one moved last, unless chosen."""
    mine, names = session(), found.cut_offs.bands
    if len(now.at) < 3:
        return 0
    if (before := mine.drawn_at) != now.policy.cuts:
        changed = [k for k, cut in enumerate(now.policy.cuts) if before is None or before[k] != cut]
        if before is not None and len(changed) == 1:
            now_first = st.session_state.get(PAIR, 0)
            if changed[0] not in (now_first, now_first + 1):
                st.session_state[PAIR] = min(changed[0], len(now.at) - 2)
        mine.drawn_at = now.policy.cuts

    def said(k: int) -> str:
        return f"{names[k + 1]} and {names[k + 2]}"

    return int(st.selectbox("Draw the cut-offs of", range(len(now.at) - 1), format_func=said, key=PAIR))


def _figures(now: Scenario, then: Scenario, unit: str) -> None:
    """Value of the moved cut-offs, beside the registered ones."""
    spent, before = now.spend, then.spend
    shown = [
        ("Uplift", now.of.uplift, then.of.uplift, unit),
        ("Value", now.of.value, then.of.value, unit),
        ("Contacts", now.of.spend, then.of.spend, "per 1,000 users"),
    ]
    if spent is not None and before is not None:
        shown.insert(2, ("Spend", spent, before, unit))
    for place, (name, of, reference, of_unit) in zip(st.columns(len(shown)), shown, strict=True):
        change = (of.value - reference.value) * 1000
        place.metric(
            name,
            f"{of.value * 1000:,.0f}",
            f"{change:+,.0f}" if round(change) else None,
            delta_color="off" if name in ("Spend", "Contacts") else "normal",
        )
        place.caption(f"{of_unit}{_between(of) if name in ('Uplift', 'Value') else ''}")
    asked = session().cuts or now.cuts
    if not np.allclose(now.cuts, asked, rtol=0, atol=5e-4):
        at = " and ".join(f"{cut:.3f}" for cut in now.cuts)
        st.caption(f"Valued, shown and saved at {at}: the nearest cut-offs there are statistics for.")
    if now.of.uplift.low is None and then.of.uplift.low is not None:
        st.caption(_why_no_interval(now, unit))


def _why_no_interval(now: Scenario, unit: str) -> str:
    if now.of.uplift.se is None and len(now.cuts) > 2:
        return "No interval: of three cut-offs and more, moved by eye, none can be had honestly."
    return f"No interval: these cut-offs act on {now.acted_on:,} test users; {unit} from so few is not believed."


def _how(found: Board, rows: dict[str, Valued], limit: float) -> str:
    """How each row was chosen, and what its interval promises."""
    if vetoed := found.simulation.vetoed:
        return f"Nothing is chosen here, and there is no interval: the uplift is vetoed ({', '.join(vetoed)})."
    if found.simulation.kind == "assumed":
        return "Nothing is chosen here, and there is no interval: the uplift is assumed, not measured."
    said = []
    if "moved" in rows and rows["moved"].uplift.low is not None:
        said.append("Moved: chosen by eye on these test users, so its interval is the wider one, over all choices.")
    said.append("Best: chosen on validation users, valued on test users, which it has not seen.")
    if "within the budget" in rows:
        spent = rows["within the budget"].spend.value * 1000
        said.append(
            f"Within the budget: at most {limit:,.0f} contacts where it was chosen, {spent:,.0f} on test users."
            " Its interval is that of one limit, not of the best of several tried."
        )
    return " ".join(said)


def _between(of: Estimate) -> str:
    if of.low is None or of.high is None:
        return ""
    return f", 95 % interval {of.low * 1000:,.0f} to {of.high * 1000:,.0f}"


def _table(found: Board, rows: dict[str, Valued]) -> pl.DataFrame:
    """Policies side by side."""
    simulation = found.simulation
    name_of = f"uplift, {simulation.currency} per 1,000 users ({simulation.label})"
    made = []
    for name, of in rows.items():
        cuts = "no one" if of.cuts is None else " / ".join(f"{cut:.3f}" for cut in of.cuts)
        uplift = f"{of.uplift.value * 1000:,.0f}"
        if of.uplift.low is not None and of.uplift.high is not None:
            uplift += f" [{of.uplift.low * 1000:,.0f}, {of.uplift.high * 1000:,.0f}]"
        made.append({"": name, "cut-offs": cuts, name_of: uplift, "contacts per 1,000": round(of.spend.value * 1000)})
    return pl.DataFrame(made)


def _who_moves(others: dict[str, Scenario], now: Scenario) -> None:
    """Of the users at hand, who would be in another segment than under another choice of cut-offs."""
    st.subheader("Who moves")
    then = others[st.selectbox("Against the cut-offs", list(others))]
    theirs = users()
    table = theirs.table
    score = table["propensity_score"].to_numpy()
    changed = diff(then.policy, now.policy, pd.DataFrame(index=range(len(score))), (score, score))
    moves = changed.movement[changed.movement["from"] != changed.movement["to"]]
    if moves.empty:
        st.caption("Nobody. Move a cut-off to see who would.")
        return
    st.markdown(
        f"**{changed.users:,}** of the {len(score):,} users of {plain(theirs.origin)} would get another action;"
        " what that brings, above, is told on test users."
    )
    frame(moves, hide_index=True, column_config={"share": st.column_config.NumberColumn(format="percent")})


def _save(now: Scenario, then: Scenario) -> None:
    """The moved policy as a file."""
    if now.policy == then.policy:
        return
    name = f"{now.policy.name}_v{now.policy.version}_{now.policy.digest[:8]}.yaml"
    if not login.makes_lists():
        st.caption(login.VIEWS)
        return
    st.download_button(
        f"Save as version {now.policy.version}", as_yaml(now.policy), name, "text/yaml", on_click="ignore",
        icon=":material/save:",
    )  # fmt: skip
    said = f"A policy file, digest {now.policy.digest}. To have it judged beside others, in the folder it is in:"
    st.caption(f"{said} tippingpoint simulate policies=[{plain(name)}].")
    about = subject()
    if about.demo:
        line = f"tippingpoint compare --config-dir mine policy={plain(name.removesuffix('.yaml'))} data=…"
        st.caption(f"To register a version with it, in a folder mine/policy: {line}")
        return
    st.caption("To use these cut-offs, type this where the file is. It registers a version of the same model:")
    st.code(f"tippingpoint policy bind {about.reference} {name}", language=None)


def _without() -> None:
    """Why there is nothing to move."""
    about = subject()
    if about.simulation is None:
        st.info(plain(f"The value of this policy is not known: {about.why_not}"))
        return
    st.info(f"{plain(about.policy.name)} has no cut-offs to move: its segments are rules, not bands of the score.")
    rules = getattr(about.policy, "rules", ())
    rows = [{"segment": r.segment, "when": r.when, "action": about.policy.actions[r.segment]} for r in rules]
    if rows:
        frame(pl.DataFrame(rows), hide_index=True)
    _uplift(about.simulation, f"{about.model}{BETWEEN}{about.policy.name}")


def _uplift(simulation: Simulation, contestant: str) -> None:
    """Show the uplift of the policy as it is."""
    _decided(simulation)
    _diagnosed(simulation)
    _without_model(simulation, contestant)
    row = simulation.values[contestant]
    of, contacts = row["uplift_per_user"], row["contacts_per_1000"]
    left, right = st.columns(2)
    left.metric("Uplift", f"{of.value * 1000:,.0f}")
    left.caption(f"{simulation.currency} per 1,000 users over doing nothing ({simulation.label}){_between(of)}")
    right.metric("Contacts", f"{contacts.value:,.0f}")
    right.caption("per 1,000 users")
    promised()
