"""What every verb answers is what it answered before the modules moved: answers.json, written by record.py."""

import json
from pathlib import Path

import pytest

from tests.frozen import record
from tests.frozen.comparing import Allowed, Difference, unintended

pytestmark = pytest.mark.programs
NUMBERS = "the issue of any table: how numbers are written is said, and data.decimal and its like are keys"
REMARKS = "a whole number that differs in every row is remarked on; ids written differently are said"
ROWS = "the issue of any table: rows without an outcome are set aside, categories never learnt from are counted"
TYPED = "the issue of any table: what is printed to be typed is quoted by one function, and works"
DAYS = "the issue of any table: times are features, as days before a day, and answers name it"
ISSUE = "the issue of the house: one word a thing, one spelling of a version and of a destination"
RIGHTS = "decision: who may edit the model decides what its journal says; who= is on whose behalf"
INTERVALS = "decision: an interval rests on expected outcomes, and is no narrower than they make it"
OUT_OF_FOLD = "decision: a search's winner keeps the scores of validation users by models that did not learn from them"
NATIVE = "the issue of the decision first: what MLflow shows of runs can be compared there"
DIAGNOSED = "decision: what jobs find has codes, stands everywhere in the same words, and may veto"
EFFECTS = "decision: effects are looked at along every score, by a line and by groups"
MEASURES = "decision: an interval of a measure rests on the users with any of it"
WITHOUT_MODEL = "decision: what needs no model is a contestant, and has no score"
KEPT = "decision: what was found of a model is filed with its run"
UNUSED = "the issue of certainty: what is asked and not used is said; what is assumed is said in words"
FEW_OUTCOMES = "the issue of certainty: a PR AUC of few outcomes has no interval"
DECIDED = "the decision stands first"
SEGMENTS = "the issue of the decision first: what each segment's action brought"
HELD_OUT = "the issue of planning: score says what its hold-out will tell, and book is kept of promises"
LOGGED = "decision: what a service decides is kept apart from its answers"
RECEIVED = "decision: features see what was received before the cut-off"
BY_SHARE = "the issue of effects: one figure of what acting on a share of users brings"
GAINS = "decision: what an action is expected to bring goes by who the user is, not by the score"
TEAM = "the issue of a team: a gate is pinned, a second person approves, and speed is CPU time beside a reference"
LABELS = "the issue of the decision first: people read a column's label, which describe proposes"
ALLOWED: tuple[Allowed, ...] = (
    Allowed(r"contract\.yaml\[\]", "a column without a label", None, LABELS),
    Allowed(r"decisions\.csv\.holds\.columns\.reason_\d\.(first|last)", None, None, LABELS),
    Allowed(r".*\.views(\[\]|\..*)?", None, "Charts, KIND; the one leaderboard", NATIVE),
    Allowed(r"tune.*\.views\..*", "winners of searches alone", None, NATIVE),
    Allowed(r"experiments\..*\[\]", "mlflow.sharedViewState.winners-…", None, NATIVE),
    Allowed(r"experiments\..*\[\]", None, "mlflow.sharedViewState.charts-…", NATIVE),
    Allowed(r"sweep_again.*\.metrics\[\]", None, "curve/…, shap_share/…", NATIVE),
    Allowed(r"(describe|explore)_(events|churn)\.answer\..*", None, None, RECEIVED),
    Allowed(r"promote.*\.promises(\..*)?", None, "told", HELD_OUT),
    Allowed(r"runs\..*measure.*\.(artifacts|tags)\[\]", None, "tables/promises.json", HELD_OUT),
    Allowed(r"score.*\.holdout_tells(\..*)?", None, "told", HELD_OUT),
    Allowed(r"promote.*\.(requested|users_from)", None, "told", TEAM),
    Allowed(r"(status.*|models\[.*)\.(pinned|requests)(\[\]|\..*)?", None, "told", TEAM),
    Allowed(r".*checks\.speed\.(said|figures\..*)", None, None, TEAM),
    Allowed(r".*checks\.speed\.figures\.milliseconds_(low|high)", None, "told", TEAM),
    Allowed(r".*checks\.calibration\.said", None, None, TEAM),
    Allowed(r"measure.*\.versions\[\d\]\.outcomes(\[\]|\..*)?", None, "further outcomes", HELD_OUT),
    Allowed(r".*checks\.[a-z]+\.figures\.needed", None, "how many users would tell", TEAM),
    Allowed(r".*\.decision(\..*)?", None, "word, why, ranking, what to type next", DECIDED),
    Allowed(r"(?s).*", "cannot tell", "inconclusive", ISSUE),
    Allowed(r"measure decisions=users.csv outcomes=users.csv within=7\.key", "within", "decisions", HELD_OUT),
    Allowed(r"(policy diff|lint).*\.key", "scored_by", "model", ISSUE),
    Allowed(r"promote models:/other/1\.key", "version", "name", TYPED),
    Allowed(r"(serve|promote) .*\.key", "version", "model", ISSUE),
    Allowed(r"score .*\.key", "output", "to", ISSUE),
    Allowed(r".*\.columns\.[^.]+\.(written|odd)", None, "", NUMBERS),
    Allowed(r".*\.data(\[\]|\.reading)|contract\.yaml\[\]", None, "", NUMBERS),
    Allowed(r"runs\..*\.params\[\]", None, "", NUMBERS),
    Allowed(r"describe.*\.columns\..*remark", None, "said", REMARKS),
    Allowed(r"measure.*\.decisions\.ids", None, "said", REMARKS),
    Allowed(r"measure.*\.versions.*\.segments.*", None, "said", SEGMENTS),
    Allowed(r"(write|measure).*\.answer\.next", None, None, TYPED),
    Allowed(r"(?s).*\.as_of", None, "named", DAYS),
    Allowed(r"(?s).*unseen_categories(\[\])?", None, "named", ROWS),
    Allowed(r"(promote|rollback|history|status).*\.(amiss|grants|claimed)(\[\]|\..*)?", None, "named", RIGHTS),
    Allowed(
        r"registered\.[^.]+(\.journal)?(\.versions\.\d+)?\.tags\[\]", None, "announced, carried out, claimed", RIGHTS
    ),
    Allowed(r"status.*\.finished", "nothing is finished by looking", None, RIGHTS),
    Allowed(r"(promote|rollback|history).*\.who", None, None, RIGHTS),
    Allowed(r"(history|rollback).*\.who\.[^.]+", "the name typed", None, RIGHTS),
    Allowed(r"(history|rollback).*\.who\.[^.]+", None, "who acts", RIGHTS),
    Allowed(r".*(experiment|verdicts|segments|contest|judgement).*[._](se|low|high)", None, None, INTERVALS),
    Allowed(r"promote.*checks\.value\.said", None, None, INTERVALS),
    Allowed(r"simulate.*\.contest\..*users_needed_for_.*", None, None, INTERVALS),
    Allowed(r"registered\.[^.]+\.journal", None, "made with the model", RIGHTS),
    Allowed(r"doctor\.answer\.rights", None, "what this user may do", RIGHTS),
    Allowed(r"runs\..*\.tags", None, "of findings alone", DIAGNOSED),
    Allowed(r"runs\..*simulate.*\.metrics\[\]", "with an interval", None, INTERVALS),
    Allowed(r"runs\..*simulate.*\.metrics\[\]", None, "without", INTERVALS),
    Allowed(r"runs\..*\.artifacts\[\]", None, "out_of_fold.npy", OUT_OF_FOLD),
    Allowed(r"runs\..*\.inputs\[\]", "train, validation, test", None, NATIVE),
    Allowed(r"runs\..*\.inputs\[\]", None, "the same with the origin before", NATIVE),
    Allowed(r"runs\..*\.tags\[\]", None, "chosen_on, roc_auc", NATIVE),
    Allowed(r"runs\..*\.metrics\[\]", "roc/tpr, policy/KIND/from_cut/ACTION_per_1000 and their like", None, NATIVE),
    Allowed(r"runs\..*\.metrics\[\]", None, "curve/…: the same, and money and outcomes by share treated", NATIVE),
    Allowed(r"(?s).*\.(findings|vetoed|accepted|checks\.diagnostics)(\[\]|\..*)?", None, "told", DIAGNOSED),
    Allowed(r"(?s).*\.candidate\[\]", None, "findings", DIAGNOSED),
    Allowed(r"(?s).*\.(checks\.length|gate)", None, None, DIAGNOSED),
    Allowed(r"history.*\.gate\.[^.]+", "a gate without the check of diagnostics", None, DIAGNOSED),
    Allowed(r"history.*\.gate\.[^.]+", None, "a gate with it", DIAGNOSED),
    Allowed(r"simulate.*\.measure_.*_(low|high)", None, None, MEASURES),
    Allowed(r"(?s).*\.(heterogeneity|uplift_by_score_group)(\[\]|\..*)?", None, "told", EFFECTS),
    Allowed(r"simulate.*\.ranking\.(length|last|sums).*", None, None, EFFECTS),
    Allowed(r".*\.baselines(\..*|\[.*)?", None, None, WITHOUT_MODEL),
    Allowed(r"tune.*\.baselines", "none of a search", None, WITHOUT_MODEL),
    Allowed(r"compare.*\.baselines", "rows of the leaderboard now", None, WITHOUT_MODEL),
    Allowed(r"compare.*\.(leaderboard|verdicts)(\..*)?", None, None, WITHOUT_MODEL),
    Allowed(r"simulate.*\.(values|contest|estimators|diagnostics|evidence)(\[\d+\])?\..*", None, None, WITHOUT_MODEL),
    Allowed(r"(promote|history).*checks\.value\.figures\.over .*", None, "told", WITHOUT_MODEL),
    Allowed(r"history.*checks\.value\.said", None, None, WITHOUT_MODEL),
    Allowed(r"promote.*checks\.value\.figures\.(difference|changed).*", None, None, WITHOUT_MODEL),
    Allowed(r"simulate.*\.(outcome_rate|unused|assumption)", None, "said", UNUSED),
    Allowed(r"runs\..*\.artifacts\[\]", None, "findings.json", KEPT),
    Allowed(r".*pr_auc\.(se|low|high)", None, None, FEW_OUTCOMES),
    Allowed(r"(runs|sweep).*\.metrics\[\]", "of a PR AUC of few outcomes", None, FEW_OUTCOMES),
    Allowed(r"runs\..*\.metrics\[\]", None, "a PR AUC without an interval", FEW_OUTCOMES),
    Allowed(r"runs\..*\.artifacts\[\]", "figures/targeting_ACTION.png", None, BY_SHARE),
    Allowed(r"runs\..*\.artifacts\[\]", None, "uplift_by_share.png and .csv", BY_SHARE),
    Allowed(r"(?s).*\.effects_of", None, "told", GAINS),
    Allowed(r"(?s).*\.withheld", None, "where no gain is shown", GAINS),
    Allowed(r"list\.csv\..*\.expected_value\.sum", "of a segment whose gain is inconclusive", None, GAINS),
    Allowed(r"list\.csv\..*\.expected_value\.values", None, "none is known", GAINS),
    Allowed(r"(?s).*\.expected_gain", None, "told", GAINS),
    Allowed(r"serve.*\.required\[\]", None, "expected_gain", GAINS),
    Allowed(r"serve.*/metrics\[\]", None, "what the log of decisions counts", LOGGED),
    Allowed(r"(?s).*\.expected_value(\..*)?", None, None, GAINS),
    Allowed(r"score.*\.segments\[\d+\]\.(value|value_per_user)", None, None, GAINS),
    Allowed(r"list\.csv\.holds\.columns\.user_id\.(first|last)", None, None, GAINS),
    Allowed(r"(runs|registered)\..*\.tags\[\]", None, "diagnostics, veto.CODE, accepted.CODE", DIAGNOSED),
)
"""Intended differences: where, what it was, what it became, and why."""
UNREAD = ("typed", "message")
"""Keys of answers.json for people only: the wording of refusals may change, their exit codes and keys may not."""


@pytest.fixture(scope="module", params=list(record.GROUPS))
def group(request: pytest.FixtureRequest) -> str:
    """The table or kind of lines that is typed again."""
    if why := record.missing(request.param):
        pytest.skip(why)
    return request.param


@pytest.fixture(scope="module")
def answers(group: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """The group's answers before and now."""
    before = json.loads(record.ANSWERS.read_text(encoding="utf-8"))[group]
    return read(before), read(record.recorded(group, tmp_path_factory.mktemp(group)))


def read(answers: dict) -> dict:
    return {
        name: {key: value for key, value in node.items() if key not in UNREAD} if isinstance(node, dict) else node
        for name, node in answers.items()
    }


def listed(found: list[Difference]) -> str:
    return f"{len(found)} differences (before -> now):\n" + "\n".join(str(one) for one in found)


def test_every_answer_is_as_before(answers: tuple[dict, dict]) -> None:
    before, now = ({name: node for name, node in of.items() if name != "mlflow"} for of in answers)
    assert not (found := unintended(before, now, ALLOWED)), listed(found)


def test_what_stands_in_mlflow_is_called_as_before(answers: tuple[dict, dict]) -> None:
    before, now = (of.get("mlflow", {}) for of in answers)
    if not before:
        pytest.skip("nothing of this group is filed")
    assert not (found := unintended(before, now, ALLOWED)), listed(found)


def test_answers_are_small_and_name_no_folder_of_a_machine() -> None:
    text = record.ANSWERS.read_text(encoding="utf-8")
    assert len(text) < 350_000
    assert not [folder for folder in ("/tmp/", "/root/", str(Path.home())) if folder in text]
