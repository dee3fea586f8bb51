"""What acting on a share of users brings: curves, ends, the honest best, the figure and its sentence."""

import numpy as np
import pytest

from tippingpoint.experiment.treated_curves import Treated, TreatedPoint, curves
from tippingpoint.experiment.treated_figure import figure
from tippingpoint.offpolicy.cells import Line, gather, grid, outcomes
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.evidence import Evidence
from tippingpoint.offpolicy.statistics import Estimate, normal

ACTIONS = {1: "mail"}
LINES = Line(np.array([0.0, -1.0]), np.array([10.0, 10.0])), outcomes(2)
"""An outcome is worth 10, a mail costs 1: it pays for effects above 0.1."""


def users(n: int, seed: int) -> tuple[np.ndarray, Evidence]:
    """Scores, and known chances that a mail raises by the score, from -0.2 to 0.4."""
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    none = np.full(n, 0.4)
    return score, Evidence("truth", np.stack([none, none - 0.2 + 0.6 * score], axis=1))


def one(n: int = 4000) -> Treated:
    (own, evidence), (other, held_out) = users(n, 1), users(n, 2)
    cuts = grid(own, 50)
    found = list(curves("model", gather(cuts, own, evidence), gather(cuts, other, held_out), LINES, ACTIONS, 0))
    (curve,) = found
    everyone = TreatedPoint("everyone mail", 1.0, curve.money.at((0,)), curve.outcomes.at((0,)))
    leader = TreatedPoint("model", 0.5, normal(1.0, 0.1), normal(200.0, 5.0))
    pair = Contrast("everyone mail", "model", normal(-1.0, 0.1), "worse", n, n, 1.96)
    return Treated(found, [leader, everyone], "model", [pair], "EUR", "visit", "truth", True)


def test_ends_are_everyone_and_no_one_and_the_best_is_where_the_mail_begins_to_pay():
    (curve,) = one().curves
    score, evidence = users(4000, 1)
    gain = 10 * (evidence.outcome_scores[:, 1] - evidence.outcome_scores[:, 0]) - 1
    assert (curve.share[0], curve.share[-1]) == (1, 0)
    assert curve.money.value[0] == pytest.approx(gain.mean())
    assert curve.money.value[-1] == 0
    assert curve.best is not None
    assert curve.best.share == pytest.approx(0.5, abs=0.04)  # effects above 0.1 are of scores above one half
    assert curve.best.money.value == pytest.approx(gain[score > 0.5].sum() / len(gain), rel=0.02)
    assert curve.best.outcomes.value == pytest.approx(1000 * (0.25 * 0.5), rel=0.1)


def test_the_figure_shows_the_numbers_of_its_table_and_its_button_those_in_outcomes():
    found = one()
    drawn, table = figure(found), found.frame()
    shown = {trace.get("name"): trace for trace in drawn["data"]}
    curve = table[(table["name"] == "model") & (table["action"] == "mail")]
    assert shown["model: mail"]["y"] == pytest.approx(curve["money"].tolist(), abs=1e-3)
    money, counted = (button["args"][0]["y"] for button in drawn["layout"]["updatemenus"][0]["buttons"])
    assert money == [trace["y"] for trace in drawn["data"]]
    at = drawn["data"].index(shown["model: mail"])
    assert counted[at] == pytest.approx(curve["outcomes"].tolist(), abs=0.1)
    assert shown["everyone mail"]["x"] == [1.0]
    random = [trace for trace in drawn["data"] if trace["x"] == [0, 1]]
    assert [trace["y"][1] for trace in random] == pytest.approx([curve["money"].iloc[0]], abs=1e-3)


def test_one_sentence_says_whether_a_ranking_beats_treating_everyone_alike():
    found = one()
    assert "more than everyone mail" in found.verdict
    none = Treated(found.curves, found.points, "model", [], "EUR", "visit", "assumed", False)
    assert "nothing is told" in none.verdict


def test_without_a_measurement_there_is_neither_band_nor_best():
    (own, evidence), cuts = users(500, 3), np.array([0.1, 0.5, 0.9])
    assumed = Evidence("assumed", evidence.outcome_scores)
    (curve,) = curves("model", gather(cuts, own, assumed), gather(cuts, own, assumed), LINES, ACTIONS, 0)
    assert curve.best is None
    found = Treated(
        [curve], [TreatedPoint("everyone mail", 1, Estimate(1.0), Estimate(1.0))], "", [], "EUR", "v", "assumed", False
    )
    assert not any("fill" in trace for trace in figure(found)["data"])
