"""Whether effects differ along a score, as tables and in words."""

import numpy as np

from tippingpoint.experiment.score_effects import EFFECT, along_scores, heterogeneity_in_words, ranking, shown
from tippingpoint.offpolicy.evidence import Evidence

ACTIONS = ("none", "mail", "call")


def evidence(kind: str = "experiment", sign: int = 1) -> tuple[dict[str, np.ndarray], Evidence]:
    rng = np.random.default_rng(0)
    score = rng.random(4000)
    scores = rng.normal(size=(4000, 3)) * 0.3
    scores[:, 1] += sign * score
    rules = {"mine": score, "chance": rng.random(4000)}
    return {name: dict.fromkeys(ACTIONS, of) for name, of in rules.items()}, Evidence(kind, scores)


def test_one_row_a_score_and_action_says_whether_effects_differ():
    scores, known = evidence()
    lines, groups = along_scores(scores, None, known, ACTIONS, True)
    told = {(row.rule, row.action): (row.effect, row.groups) for row in lines.itertuples()}
    assert told["mine", "mail"] == ("rises", "rises")
    assert told["mine", "call"] == told["chance", "mail"] == ("inconclusive", "inconclusive")
    assert len(groups) == 2 * 2 * 5
    words = heterogeneity_in_words(lines, "mine", "visit")
    assert "that of mail" in words
    assert "rises with it" in words
    assert "that of call" in words
    assert not heterogeneity_in_words(lines, "another", "visit")


def test_effects_on_an_outcome_that_is_not_wanted_are_turned():
    scores, known = evidence(sign=-1)
    lines, _ = along_scores(scores, None, known, ACTIONS, False)
    assert lines.set_index(["rule", "action"]).loc[("mine", "mail"), "effect"] == "rises"


def test_the_reward_models_own_effect_is_calibrated_and_held_against_each_score():
    scores, known = evidence()
    predicted = np.stack([np.zeros(4000), scores["mine"]["mail"], np.zeros(4000)], axis=1)
    lines, _ = along_scores(scores, predicted, known, ACTIONS, True)
    own = lines.set_index(["rule", "action"]).loc[(EFFECT, "mail")]
    assert own["slope_low"] <= 1 <= own["slope_high"]
    assert own["level_low"] <= 0 <= own["level_high"]
    over = ranking(scores, predicted, known, ACTIONS, True).set_index(["rule", "action", "measure"])
    assert over.loc[(EFFECT, "mail", "autoc_over mine"), "value"] == 0
    assert over.loc[(EFFECT, "mail", "autoc_over chance"), "low"] > 0


def test_what_is_assumed_or_vetoed_tells_nothing():
    scores, known = evidence("assumed")
    lines, groups = along_scores(scores, None, known, ACTIONS, True)
    assert not len(lines)
    assert not len(groups)
    assert not heterogeneity_in_words(lines, "mine", "visit")


def test_groups_too_small_for_intervals_are_still_shown():
    scores, known = evidence()
    few = Evidence("experiment", known.outcome_scores[:200])
    lines, groups = along_scores(
        {"mine": dict.fromkeys(ACTIONS, scores["mine"]["mail"][:200])}, None, few, ACTIONS, True
    )
    assert groups["effect_low"].isna().all()
    table = shown(groups, "visit")
    assert list(table.columns)[-1] == "uplift, visit per 1,000 (experiment)"
    assert not table.iloc[:, -1].str.contains("[", regex=False).any()
    assert "average_low" in lines
