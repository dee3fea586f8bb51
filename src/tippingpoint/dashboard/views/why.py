"""Why a user's score is what it is, and what drives scores altogether."""

import numpy as np
import pandas as pd
import polars as pl
import streamlit as st

from tippingpoint.dashboard import figures, intake
from tippingpoint.dashboard.segments import GAIN
from tippingpoint.dashboard.state import about_expected_value, plain, session, subject, users
from tippingpoint.dashboard.tables import frame
from tippingpoint.data.decisions import as_written
from tippingpoint.explanation import background_of
from tippingpoint.explanation.reasons import CAVEAT, shown, what_moves
from tippingpoint.models.calibration import Model, pipeline_of
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.rules import SCORE, Rules

OFFERED = 5
MOST = 12
"""Columns drawn."""
SUMMARY = 950
"""Pixels across of the picture for all; a phone's are as many as it has."""


def page() -> None:
    """One user, then all."""
    mine, found = session(), users()
    st.title("Why")
    user_id = found.table.columns[0]
    given = st.text_input(
        "User", mine.user or str(found.table[user_id][0]), key="who", help="An id of the table of users."
    )
    ids = found.table[user_id]
    rows = (ids == given.strip()).arg_true()
    if not len(rows):  # as tables show it, with the ' that no spreadsheet runs
        rows = (ids == as_written(pl.Series([given.strip()]))[0]).arg_true()
    if not len(rows):
        near = ids.filter(ids.str.contains(given.strip(), literal=True)).head(OFFERED).to_list()
        known = "Ids that hold it: " if near else "Ids there are: "
        some = ", ".join(plain(of) for of in near or ids.head(OFFERED).to_list())
        st.info(f"There is no user {plain(given)} among {len(found.table):,}. {known}{some}.")
    else:
        mine.user = str(ids[int(rows[0])])
        _one(int(rows[0]))
    _all()


def _one(row: int) -> None:
    about, found = subject(), users()
    decided = found.table.row(row, named=True)
    economics = about.decider.deployment.economics
    shown_ = {
        "Score": f"{decided['propensity_score']:.3f}",
        "Segment": plain(decided["segment"]),
        "Action": plain(decided["action"]),
        f"Expected value, {economics.currency}": _money(decided["expected_value"]),
        **({f"Expected gain, {economics.currency}": _money(decided[GAIN])} if GAIN in decided else {}),
    }
    for place, (name, value) in zip(st.columns([2, 2, 3, *[2] * (len(shown_) - 3)]), shown_.items(), strict=True):
        place.metric(name, value)
    st.caption(" ".join([about_expected_value(), _checked(decided["segment"])]))
    if not found.readable:
        st.info("The table holds decisions, not what the model reads: why they are so cannot be told from it.")
        return
    features = intake.features(found, about, np.array([row]))
    if found.by is None and (said := clause(about.policy, decided["propensity_score"], features)):
        st.markdown(f"**{plain(said)}.**")
    found_values, space = about.reasons.values(features)
    values = found_values[0]
    order = np.abs(values).argsort(kind="stable")[::-1][:MOST]
    left, right = st.columns(2)
    with left:
        st.subheader("What drives it")
        called = about.decider.deployment.terms.label
        names = [f"{called(features.columns[j])} = {shown(features.iloc[0, j])}" for j in order]
        figures.draw(
            figures.bars(names, values[order].tolist(), "lowers ← score → raises"),
            "reasons",
            90 + 32 * len(order),
        )
        st.caption(
            f"The longer the bar, the more it moves the score, compared with an average user (in {plain(space)})."
        )
    with right:
        st.subheader("What would move them")
        background = session().once(("background", about.reference), _background)
        model = Model(
            about.family,
            about.decider.classifier,
            pipeline_of(about.decider.classifier),
            "",
            actions=about.decider.of_effects,
        )
        moves = []
        for code, segment in enumerate(about.policy.segments):
            if segment != decided["segment"]:
                labels = about.decider.deployment.terms.labels
                move = what_moves(model, features, background, about.policy.assign, code, labels)
                moves.append({"to": segment, "if": str(move) if move else "no value tried of a single column does"})
        frame(pl.DataFrame(moves), hide_index=True)
        st.caption(CAVEAT)


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _checked(segment: str) -> str:
    """What test users said of the gain expected in a segment; empty where that was not measured."""
    deployment = subject().decider.deployment
    if (check := deployment.checks.get(segment)) is None or check.low is None or check.high is None:
        return ""
    measured = f"{check.measured:.2f} ({check.low:.2f} to {check.high:.2f})"
    return f"On test users of {plain(segment)} {check.expected:.2f} was expected on average, and {measured} measured."


def clause(policy: Policy, score: float, features: pd.DataFrame) -> str:
    """Which words of a policy put one user, whose features these are, into their segment; empty where it has none."""
    if policy.reads_effects:
        return ""
    if isinstance(policy, Bands):
        return _band(policy, score)
    if not isinstance(policy, Rules):
        return ""
    held = policy.matches(np.array([score]), features)[0]
    if not held.any():
        return f"{policy.otherwise}, because no rule holds"
    k = int(held.argmax())
    rule = policy.rules[k]
    read = [c for c in policy.columns if c != SCORE]
    values = [f"score = {score:.3f}", *(f"{c} = {shown(features[c].iloc[0])}" for c in read)]
    return f"{rule.segment}, because rule {k + 1} is the first that holds: {rule.when}. Here {', '.join(values)}"


def _band(policy: Bands, score: float) -> str:
    segment = policy.segments[int(policy.segment(np.array([score]), pd.DataFrame(index=[0]))[0])]
    k = policy.segments.index(segment)
    low, high = policy.cuts[max(k - 1, 0) : k], policy.cuts[k : k + 1]
    ends = [*(f"from {cut:g}" for cut in low), *(f"up to {cut:g}" for cut in high)]
    return f"{segment}, because the score {score:.3f} is in its band: {' '.join(ends)}"


def _background() -> pd.DataFrame:
    """Users whose values are tried."""
    found = users()
    rows = np.sort(np.random.default_rng(0).permutation(len(found.table))[:1000])
    return background_of(intake.features(found, subject(), rows), 0)


def _all() -> None:
    about = subject()
    st.subheader("What drives all scores")
    if about.shap is None:
        st.info(
            "Its run filed no figure of what drives scores (SHAP values). To have one, fit the models without"
            " `report=none`."
        )
        return
    st.image(about.shap, width=SUMMARY)
    where = "The demonstration's test users" if about.demo else "As MLflow has it: figures/shap.png of its run"
    st.caption(
        f"{where}. Each point is a user: right of the line the column raised their score, left it lowered it."
        " Bars: how much it moves a score, on average."
    )
