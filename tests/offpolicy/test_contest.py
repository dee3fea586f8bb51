"""All pairs at once, and how many users it would take."""

import numpy as np
import pytest
from scipy.stats import norm

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.cells import Line
from tippingpoint.offpolicy.contest import contest, contest_of_cells
from tippingpoint.offpolicy.evidence import Evidence
from tippingpoint.offpolicy.sufficient_statistics import join
from tippingpoint.offpolicy.value import policy_value


def contributions(seed: int, contestants: int = 5, n: int = 2000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 5, n)
    return {f"m{k}": shared + rng.normal(0.05 * k, 1, n) for k in range(contestants)}


def test_every_pair_gets_its_paired_difference():
    each = contributions(0)
    verdicts = contest(each, np.random.default_rng(0))
    assert len(verdicts) == 10
    for v in verdicts:
        paired = each[v.first] - each[v.second]
        assert v.difference.value == pytest.approx(paired.mean(), abs=1e-12)
        assert v.difference.se == pytest.approx(paired.std(ddof=1) / np.sqrt(2000), rel=1e-10)
        half = (v.difference.high - v.difference.low) / 2
        assert half == pytest.approx(v.critical * v.difference.se)
        assert (v.verdict == "inconclusive") == (v.difference.low <= 0 <= v.difference.high)


def test_what_all_contestants_share_does_not_blur_their_difference():
    each = contributions(0, contestants=3)
    shared = np.random.default_rng(9).normal(0, 1e7, 2000)
    plain = contest(each, np.random.default_rng(0))
    loud = contest({name: values + shared for name, values in each.items()}, np.random.default_rng(0))
    for a, b in zip(plain, loud, strict=True):
        assert b.difference.se == pytest.approx(a.difference.se, rel=1e-6)
        assert b.difference.value == pytest.approx(a.difference.value, rel=1e-4)


def test_words_say_which_side():
    each = contributions(1)
    each["m9"] = each["m0"] + 1 + 0.1 * np.random.default_rng(2).normal(size=2000)
    words = {(v.first, v.second): v.verdict for v in contest(each, np.random.default_rng(0))}
    assert words["m0", "m9"] == "worse"
    assert words["m0", "m1"] in ("worse", "inconclusive")
    reversed_order = dict(reversed(each.items()))
    assert {(v.second, v.first) for v in contest(reversed_order, np.random.default_rng(0))} == set(words)
    assert contest(reversed_order, np.random.default_rng(0))[0].verdict == "better"


def test_the_critical_value_is_between_one_interval_and_bonferroni():
    critical = contest(contributions(2), np.random.default_rng(0))[0].critical
    assert norm.ppf(0.975) < critical < norm.ppf(1 - 0.025 / 10)
    two = contest(contributions(2, contestants=2), np.random.default_rng(0))[0].critical
    assert two == pytest.approx(norm.ppf(0.975), abs=0.03)


def test_nobody_is_told_from_themselves():
    each = contributions(3)
    each["twin"] = each["m3"].copy()
    verdict = next(v for v in contest(each, np.random.default_rng(0)) if {v.first, v.second} == {"m3", "twin"})
    assert (verdict.difference.value, verdict.difference.se, verdict.changed) == (0, 0, 0)
    assert verdict.verdict == "inconclusive"
    assert verdict.users_needed(0.1) is None


def test_a_few_users_never_tell_two_apart():
    each = contributions(4, contestants=2)
    each["near"] = each["m0"].copy()
    each["near"][:49] += 0.5  # t = 7 were it believed
    verdict = next(v for v in contest(each, np.random.default_rng(0)) if v.second == "near" and v.first == "m0")
    assert verdict.changed == 49
    assert abs(verdict.difference.value) > 5 * verdict.difference.se
    assert verdict.verdict == "inconclusive"
    assert (verdict.difference.low, verdict.difference.high) == (None, None)
    alone = contest({"m0": each["m0"], "near": each["near"]}, np.random.default_rng(0))
    assert (alone[0].difference.low, alone[0].verdict) == (None, "inconclusive")
    each["near"][49] += 0.5
    again = next(v for v in contest(each, np.random.default_rng(0)) if v.second == "near" and v.first == "m0")
    assert again.verdict == "worse"


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch):
    from tippingpoint.offpolicy import contest as module

    each = contributions(5)
    whole = contest(each, np.random.default_rng(0))
    monkeypatch.setattr(module, "BLOCK", 77)
    for a, b in zip(whole, contest(each, np.random.default_rng(0)), strict=True):
        assert a.difference.se == pytest.approx(b.difference.se, rel=1e-12)
        assert a.verdict == b.verdict


def test_users_needed_are_for_a_stated_difference_not_the_one_seen():
    each = contributions(6, contestants=2)
    verdict = contest(each, np.random.default_rng(0))[0]
    sd = (each["m0"] - each["m1"]).std(ddof=1)
    expected = ((verdict.critical + norm.ppf(0.8)) * sd / 0.02) ** 2
    assert verdict.users_needed(0.02) == pytest.approx(expected, abs=1)
    assert verdict.users_needed(0.01) == pytest.approx(4 * verdict.users_needed(0.02), rel=1e-3)
    assert verdict.users_needed(0.02, power=0.9) > verdict.users_needed(0.02)


def test_so_many_users_do_tell_with_the_stated_chance():
    rng = np.random.default_rng(7)
    pilot = contest({"a": rng.normal(size=1000), "b": rng.normal(size=1000)}, rng)[0]
    needed = pilot.users_needed(0.2)
    told = [
        contest({"a": rng.normal(0.2, 1, needed), "b": rng.normal(size=needed)}, rng)[0].verdict == "better"
        for _ in range(200)
    ]
    assert np.mean(told) == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / 200))


def test_impossible_contests_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"contest.b: has shape \(3,\) where 4 users are compared"):
        contest({"a": np.zeros(4), "b": np.zeros(3)}, rng)
    with pytest.raises(InputError, match=r"contest.b: some users' contributions are missing"):
        contest({"a": np.zeros(4), "b": np.array([0, 1, np.nan, 2])}, rng)
    with pytest.raises(InputError, match="a difference above 0"):
        contest(contributions(8, 2), rng)[0].users_needed(0)
    assert contest({"a": np.zeros(4)}, rng) == []


def test_verdicts_from_statistics_are_those_from_users() -> None:
    rng = np.random.default_rng(0)
    outcome_scores, n = rng.random((3000, 3)), 3000
    decisions = {"a": rng.integers(0, 3, n), "b": rng.integers(0, 2, n), "c": np.zeros(n, dtype=np.int64)}
    reward_intercept, reward_slope = np.array([1.0, 0.5, 0.2]), np.array([2.0, 3.0, 2.5])
    evidence = Evidence("truth", outcome_scores)
    users = {k: policy_value(evidence, reward_intercept, reward_slope, d).contribution for k, d in decisions.items()}
    joint = join(decisions, evidence)
    L = joint.cells.coefficients(Line(reward_intercept, reward_slope), [0, 1, 2])
    cells = contest_of_cells(joint.cells, {k: L[d] for k, d in joint.decisions.items()}, np.random.default_rng(1))
    for one, two in zip(contest(users, np.random.default_rng(1)), cells, strict=True):
        assert one.difference.value == pytest.approx(two.difference.value, abs=1e-10)
        assert one.difference.se == pytest.approx(two.difference.se, rel=1e-8)
        assert (one.verdict, one.changed) == (two.verdict, two.changed)
        assert one.critical == pytest.approx(two.critical, rel=0.03)
