"""Several outcomes of decisions at once: yes or no, numbers, and times that came soon enough."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.measurement.measuring import FIRST, decided, told, written
from tippingpoint.core.errors import InputError
from tippingpoint.data.decisions import checked
from tippingpoint.measurement.by_outcome import OutcomeUplift, further
from tippingpoint.measurement.outcomes import DecisionsWithOutcomes, OutcomeRule, outcomes_of

MINUTES, LOGIN = 6.0, 0.2
"""What an action adds to watch time, and to the chance of a login within 30 days."""
ASKED = "outcome=[converted,watch_time_change,first_login]"


def came(n: int = 8_000, seed: int = 0, minutes: float = MINUTES, login: float = LOGIN) -> tuple:
    """Decisions, what came of them in three columns, and the share of users the policy acts on."""
    decisions, outcomes, _ = decided(0.25, n=n, seed=seed)
    rng = np.random.default_rng([seed, 1])
    acted = (decisions["action"] != "none").to_numpy()
    score = decisions["propensity_score"].to_numpy()
    logs_in = rng.random(n) < 0.3 + 0.3 * score + login * acted
    after = pl.Series(rng.uniform(0, 30, n) * 86_400e6).cast(pl.Duration("us"))
    later = pl.Series(rng.uniform(31, 60, n) * 86_400e6).cast(pl.Duration("us"))
    at = decisions["scored_at"].dt.replace_time_zone(None) + after
    table = outcomes.with_columns(
        watch_time_change=pl.Series(20 * score + minutes * acted + rng.normal(0, 5, n)),
        first_login=pl.when(pl.Series(logs_in)).then(at).when(pl.Series(rng.random(n) < 0.2)).then(at - after + later),
        converted_at=pl.when(pl.col("converted") == 1).then(at),
    )
    return decisions, table, float((decisions["policy_action"] != "none").mean())


def uplifts(decisions: pl.DataFrame, outcomes: pl.DataFrame, within: float | None = 30) -> tuple[OutcomeUplift, ...]:
    table, key = checked(decisions)
    until = FIRST.replace(tzinfo=None) + timedelta(days=90)

    def joined(name: str) -> DecisionsWithOutcomes:
        rule = OutcomeRule(name, "converted_at" if name == "converted" else None, within=within, until=until)
        return outcomes_of(table, key, outcomes, "user_id", rule)

    return further(table["model"][0], map(joined, ["watch_time_change", "first_login"]))


def test_numbers_and_times_have_an_uplift_with_an_interval_that_holds_the_truth() -> None:
    decisions, outcomes, acted = came()
    watched, login = uplifts(decisions, outcomes)
    assert (watched.kind, watched.unit, watched.settled) == ("number", "per user", True)
    assert (login.kind, login.unit, login.settled) == ("time", "per 1,000", True)
    for of, truth in ((watched, MINUTES * acted), (login, 1000 * LOGIN * acted)):
        assert of.users == len(decisions)
        assert of.sequence is not None
        assert of.sequence.last.low < truth < of.sequence.last.high
        assert of.verdict == "more than nothing"


@pytest.mark.worlds
def test_intervals_of_further_outcomes_hold_at_once_at_all_looks() -> None:
    missed, worlds = 0, 300
    for seed in range(worlds):
        decisions, outcomes, _ = came(2_000, seed, 0, 0)
        each = [of.sequence for of in uplifts(decisions, outcomes)]
        assert all(each)
        missed += any(((of.low > 0) | (of.high < 0)).any() for of in each if of is not None)
    assert missed / worlds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)


def test_a_line_over_the_score_narrows_a_number_that_the_score_predicts() -> None:
    decisions, outcomes, _ = came()
    flat = decisions.with_columns(propensity_score=pl.lit(0.5))
    widths = []
    for table in (decisions, flat):
        sequence = uplifts(table, outcomes)[0].sequence
        assert sequence is not None
        widths.append(sequence.high[-1] - sequence.low[-1])
    assert widths[0] < 0.95 * widths[1]


def test_a_number_that_may_still_grow_holds_at_one_look_and_users_without_one_are_left_out() -> None:
    decisions, outcomes, _ = came()
    gone = outcomes.with_columns(pl.when(pl.int_range(pl.len()) >= 100).then("watch_time_change"))
    table, key = checked(decisions)
    found = outcomes_of(table, key, gone, "user_id", OutcomeRule("watch_time_change"))
    (of,) = further(table["model"][0], [found])
    assert not of.settled
    assert (of.users, of.unknown) == (len(decisions) - 100, 100)
    assert of.sequence is not None
    assert len(of.sequence.looks) == 1


def test_nothing_known_of_a_further_outcome_is_said_and_not_refused() -> None:
    decisions, outcomes, _ = came(200)
    (watched, _) = uplifts(decisions, outcomes.with_columns(watch_time_change=pl.Series([1.5] + [None] * 199)))
    assert (watched.users, watched.unknown, watched.sequence) == (1, 199, None)


@pytest.mark.usefixtures("at_compared")
def test_measure_tells_each_outcome_asked_for(tmp_path: Path) -> None:
    decisions, outcomes, acted = came()
    words = [*written(tmp_path, decisions, outcomes), "at=converted_at", "within=30", "until=2026-02-01"]
    found = told(*words, ASKED)
    (of,) = found.versions
    assert [one.outcome for one in of.outcomes] == ["converted", "watch_time_change", "first_login"]
    assert of.per_1000 is not None
    assert of.outcomes[0].sequence is of.per_1000
    alone = told(*words, "outcome=watch_time_change").versions[0]
    assert alone.per_1000 is None
    assert alone.kept() == {}
    assert alone.verdict == "more than nothing"
    by_itself, at_once = alone.outcomes[0].sequence, of.outcomes[1].sequence
    assert by_itself is not None
    assert at_once is not None
    assert by_itself.last.low < MINUTES * acted < by_itself.last.high
    assert by_itself.high[-1] - by_itself.low[-1] < at_once.high[-1] - at_once.low[-1]
    shown = str(found.to_dict()["versions"][0]["outcomes"][2])
    assert "'kind': 'time'" in shown


@pytest.mark.usefixtures("at_compared")
def test_a_time_needs_days_and_text_is_no_outcome(tmp_path: Path) -> None:
    decisions, outcomes, _ = came(200)
    words = written(tmp_path, decisions, outcomes.with_columns(plan=pl.lit("gold")))
    with pytest.raises(InputError, match=r"within: 'first_login' holds times"):
        told(*words, "outcome=[converted,first_login]")
    with pytest.raises(InputError, match=r"outcome: 'plan' holds 'gold', not yes or no"):
        told(*words, "outcome=[converted,plan]")
