"""What of a model's evaluation is drawn, and what its card says."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tippingpoint.composing import compose
from tippingpoint.filed import Provenance
from tippingpoint.findings import Candidate, Question
from tippingpoint.jobs.candidate import answer, with_baselines
from tippingpoint.jobs.question import ask
from tippingpoint.reports.cards import LIMITS, card
from tippingpoint.reports.evaluations import write_evaluation
from tippingpoint.reports.limits import known_limits
from tippingpoint.settings import Settings
from tippingpoint.simulation.statistics import Estimate

HERE = Provenance("", "", ())


def answered(*overrides: str) -> tuple[Candidate, Question]:
    words = ["model=logistic", "data.users=4000", "explain_rows=20", *overrides]
    question = with_baselines(ask(Settings.from_config(compose("run", words))))
    return answer(question, "logistic"), question


@pytest.fixture(scope="module")
def found() -> tuple[Candidate, Question]:
    return answered()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.*")}


def test_a_full_report_has_one_picture_a_question_and_a_light_one_those_of_roc_and_calibration(
    found: tuple[Candidate, Question], tmp_path: Path
) -> None:
    candidate, question = found
    write_evaluation(tmp_path / "full", candidate, question)
    write_evaluation(tmp_path / "light", candidate, replace(question, report="light"))
    full, light = files(tmp_path / "full"), files(tmp_path / "light")
    assert full - light == {f"figures/{name}.png" for name in ("lift", "slices", "learning_curve")}
    assert {"figures/roc.png", "figures/calibration.png", "tables/slices.csv", "tables/baselines.csv"} <= light


def test_no_picture_is_cut_at_its_edges(found: tuple[Candidate, Question], tmp_path: Path) -> None:
    candidate, question = found
    write_evaluation(tmp_path, candidate, question)
    for path in sorted(tmp_path.glob("figures/*.png")):
        pixels = np.asarray(Image.open(path).convert("L"))
        edges = [pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]]
        assert all((edge > 250).all() for edge in edges), path.name
        assert (pixels < 200).mean() > 0.005, f"{path.name} is empty"


def test_the_pictures_take_little_time(found: tuple[Candidate, Question], tmp_path: Path) -> None:
    took = []
    for _ in range(3):
        start = time.process_time()
        write_evaluation(tmp_path, *found)
        took.append(time.process_time() - start)
    assert min(took) < 1.2


def test_a_candidate_is_judged_beside_baselines_that_saw_train_only(found: tuple[Candidate, Question]) -> None:
    candidate, question = found
    table = candidate.beside(question).set_index("model")
    constant, column = question.baselines
    assert table.index.tolist() == ["logistic", "constant", column.name]
    assert constant.score.tolist() == [question.parts.train.outcome.mean()] * len(question.parts.test)
    assert table.loc["constant", "test/roc_auc"] == 0.5
    own, other = table.loc["logistic", "test/roc_auc"], table.loc[column.name, "test/roc_auc"]
    assert table.loc[column.name, "roc_auc_gain"] == pytest.approx(own - other)
    turned = np.roll(question.parts.test.outcome, 1)
    parts = replace(question.parts, test=replace(question.parts.test, outcome=turned))
    again = with_baselines(replace(question, parts=parts))
    assert [b.name for b in again.baselines] == [b.name for b in question.baselines]
    np.testing.assert_array_equal(again.baselines[1].score, column.score)


def test_the_card_says_the_essentials_first_and_all_of_them_fit_a_version(found: tuple[Candidate, Question]) -> None:
    text = card(*found, HERE, "models:/conversion/1")
    order = [
        "Predicts `converted`",
        "| ROC AUC |",
        "| uplift, EUR",
        "## Known limits",
        "## Load and score",
        "## Policy",
    ]
    at = [text.index(part) for part in order]
    assert at == sorted(at)
    assert at[-1] < LIMITS["version"]
    assert found[1].users.digest in text
    assert "a later time" in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"calibration_slope": Estimate(0.7, 0.05, 0.6, 0.8)}, "Scores are too extreme: calibration slope 0.70"),
        ({"calibration_slope": Estimate(1.4, 0.05, 1.3, 1.5)}, "Scores are too timid"),
        ({"calibration_intercept": Estimate(-0.3, 0.05, -0.4, -0.2)}, "Scores are too high on the whole"),
    ],
)
def test_scores_that_are_off_are_a_known_limit(
    found: tuple[Candidate, Question], changed: dict[str, Estimate], said: str
) -> None:
    candidate, question = found
    off = replace(candidate, metrics=candidate.metrics | changed)
    assert any(limit.startswith(said) for limit in known_limits(off, question))
    right = {
        f"calibration_{name}": Estimate(at, 0.1, at - 0.2, at + 0.2) for name, at in (("slope", 1), ("intercept", 0))
    }
    calm = known_limits(replace(candidate, metrics=candidate.metrics | right), question)
    assert not any("Scores are too" in limit for limit in calm)


def test_limits_name_what_was_found_and_nothing_else(found: tuple[Candidate, Question]) -> None:
    candidate, question = found
    assert not any("may know the outcome" in limit for limit in known_limits(candidate, question))
    leaking = replace(question, alone=question.alone | {"sessions_7d": 0.99})
    assert known_limits(candidate, leaking)[0].startswith("sessions_7d may know the outcome")
    slices = candidate.evaluation.slices.assign(worse="")
    slices.loc[3, "worse"] = "ranks worse"
    worse = replace(candidate, evaluation=replace(candidate.evaluation, slices=slices))
    named = f"{slices.loc[3, 'column']} = {slices.loc[3, 'slice']} (ranks worse)"
    assert any(named in limit for limit in known_limits(worse, question))
    none = replace(candidate, evaluation=replace(candidate.evaluation, slices=slices.assign(worse="")))
    assert not any("Worse than" in limit for limit in known_limits(none, question))


def test_a_policy_that_is_no_bands_is_filed_by_segment(tmp_path: Path) -> None:
    candidate, question = answered("policy=top_fraction", "report=light")
    assert candidate.evaluation.confusion["cut"].tolist() == [candidate.policy.score_cuts[0]]
    rules, question = answered("data=retention", "policy=retention", "economics=retention", "report=light")
    assert rules.evaluation.confusion["segment"].tolist() == list(rules.policy.segments)
    assert rules.evaluation.learning is None
    write_evaluation(tmp_path, rules, question)
    assert "Outcomes by segment" in card(rules, question, HERE, "models:/x/1")
