"""What of a model's evaluation is drawn, and what its card says."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.run_reference import Provenance
from tippingpoint.data.splits import development
from tippingpoint.experiment import decided as decision
from tippingpoint.experiment import record as filing
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.baselines import at_shares, with_baselines
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.evaluation_figures import write_evaluation
from tippingpoint.experiment.findings import of_candidate
from tippingpoint.experiment.report import card
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.experiment.valuation import BindingUsers
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.estimates import interval
from tippingpoint.reports.markdown import LIMITS

HERE = Provenance("", "", ())
WORDS = ["model=logistic", "data.users=4000", "explain_rows=20"]


def answered(*overrides: str) -> tuple[Candidate, ExperimentSpec]:
    question = with_baselines(ask(Settings.from_config(compose("run", [*WORDS, *overrides]))))
    return answer(question, "logistic"), question


@pytest.fixture(scope="module")
def found() -> tuple[Candidate, ExperimentSpec]:
    return answered()


def said(candidate: Candidate, question: ExperimentSpec) -> dict[str, str]:
    """What diagnostics say of a candidate, by code."""
    return {finding.code: finding.said for finding in of_candidate(candidate, question)}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.*")}


def test_a_full_report_has_one_picture_a_question_and_a_light_one_those_of_roc_and_calibration(
    found: tuple[Candidate, ExperimentSpec], tmp_path: Path
) -> None:
    candidate, question = found
    write_evaluation(tmp_path / "full", candidate, question)
    write_evaluation(tmp_path / "light", candidate, replace(question, report="light"))
    full, light = files(tmp_path / "full"), files(tmp_path / "light")
    assert full - light == {f"figures/{name}.png" for name in ("lift", "slices", "learning_curve")}
    assert {"figures/roc.png", "figures/calibration.png", "tables/slices.csv", "tables/baselines.csv"} <= light


def test_no_picture_is_cut_at_its_edges(found: tuple[Candidate, ExperimentSpec], tmp_path: Path) -> None:
    candidate, question = found
    write_evaluation(tmp_path, candidate, question)
    for path in sorted(tmp_path.glob("figures/*.png")):
        pixels = np.asarray(Image.open(path).convert("L"))
        edges = [pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]]
        assert all((edge > 250).all() for edge in edges), path.name
        assert (pixels < 200).mean() > 0.005, f"{path.name} is empty"


def test_a_candidate_is_judged_beside_baselines_that_saw_train_only(found: tuple[Candidate, ExperimentSpec]) -> None:
    candidate, question = found
    table = candidate.beside(question).set_index("model")
    column = question.column
    everyone = ["everyone none", "everyone discount_10", "everyone checkout_prompt"]
    assert table.index.tolist() == ["logistic", "constant", *everyone, column.name]
    assert table.loc["constant", "test/roc_auc"] == 0.5
    own, other = table.loc["logistic", "test/roc_auc"], table.loc[column.name, "test/roc_auc"]
    assert table.loc[column.name, "roc_auc_gain"] == pytest.approx(own - other)
    turned = np.roll(question.parts.test.outcome, 1)
    parts = replace(question.parts, test=replace(question.parts.test, outcome=turned))
    again = with_baselines(replace(question, parts=parts))
    assert [b.name for b in again.baselines] == [b.name for b in question.baselines]
    np.testing.assert_array_equal(again.column.test, column.test)


def test_a_policy_without_a_model_has_a_value_and_no_score(found: tuple[Candidate, ExperimentSpec]) -> None:
    candidate, question = found
    table, kind = candidate.beside(question).set_index("model"), question.evidence.kind
    uplift, gain = table[f"policy/{kind}/uplift_per_user"], table[f"uplift_gain_{kind}"]
    gone = question.valued.reward - question.valued.reward[:, :1]
    for k, action in enumerate(question.actions):
        assert uplift[f"everyone {action}"] == pytest.approx(gone[:, k].mean())
        assert gain[f"everyone {action}"] == pytest.approx(uplift["logistic"] - uplift[f"everyone {action}"])
        assert np.isnan(table.loc[f"everyone {action}", "test/roc_auc"])
    assert np.isnan(uplift["constant"])


@pytest.mark.parametrize("cuts", [[0.4, 0.7], [0.05, 0.2]])
def test_the_best_column_acts_on_no_larger_shares_than_the_model(
    found: tuple[Candidate, ExperimentSpec], cuts: list[float]
) -> None:
    question = found[1]
    validation, column = question.parts.validation, question.column
    binding = BindingUsers.of(question.parts.train, validation, question.economics, question.seed)
    score = found[0].model.score(validation)
    policy = question.policy.model_copy(update={"cuts": tuple(cuts)})
    of = at_shares(binding, policy, score, column.validation)
    size = {name: np.bincount(p.segment(s, validation.features), minlength=3)[::-1].cumsum()[:2]
            for name, p, s in (("model", policy, score), ("column", of, column.validation))}  # fmt: skip
    assert (size["column"] <= size["model"]).all()
    assert size["column"][1] > size["model"][1] / 2


def test_baselines_of_a_model_fitted_on_train_and_validation_learn_from_both(
    found: tuple[Candidate, ExperimentSpec],
) -> None:
    question = found[1]
    everyone = development(question.users, Settings.from_config(compose("run", [])).split)
    assert len(everyone) == len(question.parts.train) + len(question.parts.validation)
    column = with_baselines(question, everyone).column
    assert len(column.validation) == len(everyone)
    assert (column.test != question.column.test).any()


def carded(candidate: Candidate, question: ExperimentSpec) -> str:
    """A card that begins with the decision on this model alone."""
    alone = decision.of_candidate(question, candidate, None)
    return card(candidate, question, HERE, "models:/conversion/1", alone)


def test_a_model_fitted_on_train_and_validation_says_so_and_is_explained_on_both(
    found: tuple[Candidate, ExperimentSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate, question = found
    settings = Settings.from_config(compose("run", WORDS))
    everyone = development(question.users, settings.split)
    passed = []
    monkeypatch.setattr(filing, "write_explanations", lambda *args: passed.append(args[4]) or {})
    monkeypatch.setattr(filing, "write_evaluation", lambda folder, *_: (folder / "tables").mkdir())
    for of in (candidate, replace(candidate, development=everyone)):
        filing.record(of, question, settings, MagicMock(**{"model.return_value": "m-1"}), None)
    assert [len(users) for users in passed] == [len(question.parts.train), len(everyone)]
    said = f"then fitted on both together, {len(everyone):,} users"
    assert said not in carded(candidate, question)
    assert said in carded(replace(candidate, development=everyone), question)


def test_explanations_do_not_hang_on_the_order_of_rows() -> None:
    """Sorted by outcome, so that the first thousand users of train all have the same."""
    candidate, question = answered("report=light")
    order = np.argsort(question.parts.train.outcome, kind="stable")
    turned = replace(question, parts=replace(question.parts, train=question.parts.train.take(order)))
    again = answer(turned, "logistic")
    spread = candidate.explanation.output.std()
    assert again.explanation.base == pytest.approx(candidate.explanation.base, abs=4 * spread / np.sqrt(1000))


def test_the_card_says_the_essentials_first_and_all_of_them_fit_a_version(
    found: tuple[Candidate, ExperimentSpec],
) -> None:
    text = carded(*found)
    order = [
        decision.of_candidate(found[1], found[0], None).lines[0],
        "predicts `converted`",
        "| ROC AUC |",
        "| policy, uplift on test",
        "## Known limits",
        "## Load and score",
        "## Policy",
    ]
    at = [text.index(part) for part in order]
    assert at == sorted(at)
    assert at[-1] < LIMITS["version"]
    assert found[1].users.digest in text
    assert "a later time" in text


def test_the_card_says_what_the_policy_brings_over_each_that_needs_no_model(
    found: tuple[Candidate, ExperimentSpec],
) -> None:
    candidate, question = found
    of = {baseline.name: baseline.value for baseline in candidate.baselines(question) if baseline.value is not None}
    assert [name.split(" ")[0] for name in of] == ["everyone", "everyone", "everyone", "column"]
    rows = [line for line in carded(*found).splitlines() if ", no model |" in line]
    for (name, value), row in zip(of.items(), rows, strict=True):
        assert row.startswith(f"| {name}, no model |")
        assert row.endswith(f"| {interval(candidate.value.over(value), 3)} |")


@pytest.mark.parametrize(
    ("changed", "begins"),
    [
        ({"calibration_slope": Estimate(0.7, 0.05, 0.6, 0.8)}, "Scores are too extreme: calibration slope 0.70"),
        ({"calibration_slope": Estimate(1.4, 0.05, 1.3, 1.5)}, "Scores are too timid"),
        ({"calibration_intercept": Estimate(-0.3, 0.05, -0.4, -0.2)}, "Scores are too high on the whole"),
    ],
)
def test_scores_that_are_off_are_told(
    found: tuple[Candidate, ExperimentSpec], changed: dict[str, Estimate], begins: str
) -> None:
    candidate, question = found
    right = {
        f"calibration_{name}": Estimate(at, 0.1, at - 0.2, at + 0.2) for name, at in (("slope", 1), ("intercept", 0))
    }
    off = replace(candidate, metrics=candidate.metrics | right | changed)
    assert said(off, question)["TP204"].startswith(begins)
    assert "TP204" not in said(replace(candidate, metrics=candidate.metrics | right), question)


def test_findings_of_a_model_name_what_was_found_and_nothing_else(found: tuple[Candidate, ExperimentSpec]) -> None:
    candidate, question = found
    assert not {"TP201", "TP207"} & set(said(candidate, question))
    off = replace(candidate.explanation, output=candidate.explanation.output + 2e-4)
    assert "TP207" in said(replace(candidate, explanation=off), question)
    drawn = replace(candidate, metrics=candidate.metrics | {"roc_auc": Estimate(0.51, 0.02, 0.468, 0.553)})
    assert "0.510 [0.468, 0.553]" in said(drawn, question)["TP201"]
    remembered = replace(candidate, fitted=Estimate(candidate.metrics["roc_auc"].value + 0.2, 0.01))
    assert "TP203" in said(remembered, question)
    assert "TP203" not in said(candidate, question)
    slices = candidate.evaluation.slices.assign(worse="")
    slices.loc[3, "worse"] = "ranks worse"
    worse = replace(candidate, evaluation=replace(candidate.evaluation, slices=slices))
    assert f"{slices.loc[3, 'column']} = {slices.loc[3, 'slice']} (ranks worse)" in said(worse, question)["TP205"]
    none = replace(candidate, evaluation=replace(candidate.evaluation, slices=slices.assign(worse="")))
    assert "TP205" not in said(none, question)


def test_a_model_that_its_best_column_may_replace_says_so(found: tuple[Candidate, ExperimentSpec]) -> None:
    candidate, question = found
    assert "TP206" not in said(candidate, question)
    as_column = replace(candidate, score=question.column.test)
    assert "alone (+0.000 ROC AUC" in said(as_column, question)["TP206"]


def test_a_column_that_may_know_the_outcome_is_told_first(found: tuple[Candidate, ExperimentSpec]) -> None:
    question = found[1]
    assert "TP103" not in {finding.code for finding in question.findings}
    told = question.parts.train.outcome + np.random.default_rng(0).normal(scale=0.1, size=len(question.parts.train))
    features = question.parts.train.features.assign(sessions_7d=told)
    parts = replace(question.parts, train=replace(question.parts.train, features=features))
    again = with_baselines(replace(question, parts=parts))
    assert again.findings[0].said.startswith("sessions_7d may know the outcome")
    assert len(with_baselines(again).findings) == len(again.findings)


def test_a_policy_that_is_no_bands_is_filed_by_segment(tmp_path: Path) -> None:
    candidate, question = answered("policy=top_fraction", "report=light")
    assert candidate.evaluation.confusion["cut"].tolist() == [candidate.policy.score_cuts[0]]
    rules, question = answered("data=retention", "policy=retention", "economics=retention", "report=light")
    assert rules.evaluation.confusion["segment"].tolist() == list(rules.policy.segments)
    assert rules.evaluation.learning is None
    write_evaluation(tmp_path, rules, question)
    assert "Outcomes by segment" in carded(rules, question)
