"""What somebody deleted or changed by hand: every verb says the same true thing, and the line that mends it works."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.promotion.promoting import of_version
from tippingpoint.promotion.registry_status import described
from tippingpoint.tracking.entries import append
from tippingpoint.tracking.journal import CHAMPION, PREVIOUS, journal_name, read
from tippingpoint.tracking.promotion import aliases, carry_out

LENIENT = [
    f"gate.{check}=null"
    for check in ("quality", "value", "calibration", "slices", "explanation", "reload", "speed", "looks")
]
Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(call: Callable[..., int], capsys: pytest.CaptureFixture) -> Said:
    """What a verb says, in one line, and its exit code."""

    def of(*words: str) -> tuple[int, str]:
        code = call(*words)
        return code, " ".join("".join(capsys.readouterr()).split())

    return of


@pytest.fixture
def promoted(client: MlflowClient, compared: tuple) -> MlflowClient:
    """Version 1 was champion, 2 is: by entries 1 and 2."""
    for number, version in enumerate(("1", "2")):
        made = append(client, "conversion", "promote", version, "", number, who="ann", **of_version(client, version))
        carry_out(client, "conversion", made, described)
    test = compared[0].comparison.question.parts.test
    test.features.assign(user_id=test.user_id).head(20).to_csv("users.csv", index=False)
    return client


SCORE = ["score", "input=users.csv", "to=decisions.csv"]


def all_say(said: Said, sentence: str, codes: dict[str, int]) -> None:
    """Every verb says a sentence, and ends with its code."""
    lines = {"score": SCORE, "promote": ["promote", "3", *LENIENT, "dry_run=true"]}
    for verb, code in codes.items():
        found = said(*lines.get(verb, [verb]))
        assert sentence in found[1], (verb, found)
        assert found[0] == code, (verb, found)


def test_the_alias_was_removed(promoted: MlflowClient, said: Said) -> None:
    promoted.delete_registered_model_alias("conversion", CHAMPION)
    what = "the alias champion was removed by hand; by entry 2 (ann promoted version 2) it is version 2."
    mend = "tippingpoint promote resume 2 name=conversion"
    codes = {"score": 2, "serve": 2, "promote": 1, "rollback": 1, "status": 1, "history": 0}
    all_say(said, f"models:/conversion: {what} Type {mend}.", codes)
    assert aliases(promoted, "conversion") == {PREVIOUS: "1"}, "nobody mends it by himself"
    assert said(*shlex.split(mend)[1:])[0] == 0
    assert said(*SCORE)[0] == said("status")[0] == 0


def test_the_alias_was_moved_by_hand(promoted: MlflowClient, said: Said) -> None:
    promoted.set_registered_model_alias("conversion", CHAMPION, "3")
    what = "the alias champion was moved by hand to version 3; by entry 2 (ann promoted version 2) it is version 2."
    all_say(said, what, {"score": 0, "promote": 0, "status": 1, "history": 0})
    assert "conversion/3" in Path("decisions.csv").read_text()
    assert said("promote", "resume", "2", "name=conversion")[0] == said("status")[0] == 0


def test_the_champions_version_was_deleted(promoted: MlflowClient, said: Said) -> None:
    promoted.delete_model_version("conversion", "2")
    what = "version 2, which entry 2 (ann promoted version 2) made champion, was deleted"
    all_say(said, what, {"score": 2, "serve": 2, "promote": 1, "status": 1, "history": 0})
    assert "Type tippingpoint rollback name=conversion." in said("status")[1]
    assert said("promote", "resume", "2")[0] == 1
    assert said("rollback", "name=conversion")[0] == 0
    assert aliases(promoted, "conversion")[CHAMPION] == "1"
    assert said(*SCORE)[0] == said("status")[0] == 0


def test_the_champions_run_was_deleted(promoted: MlflowClient, said: Said) -> None:
    run = promoted.get_model_version("conversion", "2").run_id
    promoted.delete_run(run)
    what = f"run {run} of its champion, version 2, was deleted. Type mlflow runs restore --run-id {run}."
    all_say(said, what, {"score": 0, "promote": 1, "status": 1, "history": 0})
    promoted.restore_run(run)
    assert said("status") == (0, said("status")[1])


def test_the_journal_was_deleted(promoted: MlflowClient, said: Said) -> None:
    promoted.delete_registered_model(journal_name("conversion"))
    what = "its journal was deleted, or has lost entry 2, which made the champion; version 2 is champion by its alias"
    all_say(said, what, {"score": 0, "promote": 1, "status": 1, "history": 0})
    assert "Type tippingpoint promote model=2 name=conversion, which writes it anew." in said("status")[1]
    assert said("promote", "model=2", "name=conversion", *LENIENT, "gate.better=null")[0] == 0
    assert said("status")[0] == 0
    assert (read(promoted, "conversion").champion, aliases(promoted, "conversion")[CHAMPION]) == ("2", "2")


def test_the_newest_entry_was_deleted(promoted: MlflowClient, said: Said) -> None:
    promoted.delete_model_version(journal_name("conversion"), "2")
    what = "its journal was deleted, or has lost entry 2, which made the champion; version 2 is champion by its alias"
    all_say(said, what, {"score": 0, "promote": 1, "status": 1, "history": 0})
    assert "conversion/2" in Path("decisions.csv").read_text()


def test_the_model_was_deleted_and_another_is_registered_under_its_name(promoted: MlflowClient, said: Said) -> None:
    """A number is not a version: nothing of the old champion passes over to the new version 2."""
    other = promoted.get_model_version("conversion", "3")
    promoted.delete_registered_model("conversion")
    what = "models:/conversion: it was deleted, and its journal is still there. Type tippingpoint compare, then"
    all_say(said, what, dict.fromkeys(("score", "serve", "promote", "rollback", "status", "history"), 2))
    promoted.create_registered_model("conversion")
    own = {key: value for key, value in other.tags.items() if not key.startswith(("promoted", "validation", "gate"))}
    for _ in range(2):
        promoted.create_model_version("conversion", other.source, other.run_id, own)
    what = "there is no champion yet (entries 1, 2 of its journal do not count: written for a model that was deleted"
    all_say(said, what, {"score": 2, "serve": 2, "status": 0, "history": 0})
    assert said("rollback")[0] == 2
    assert aliases(promoted, "conversion") == {}
    assert [promoted.get_model_version("conversion", n).tags for n in "12"] == [own, own]
    assert said("promote", "2", *LENIENT, "gate.better=null")[0] == 0
    assert aliases(promoted, "conversion") == {CHAMPION: "2"}
    assert "promote 1" not in said("history")[1]


def test_an_entry_is_of_one_version_whatever_has_its_number_now(promoted: MlflowClient, said: Said) -> None:
    """As in a store that gives a number of a deleted version to another one."""
    promoted.set_model_version_tag("conversion", "2", "policy_bound_digest", "another")
    what = "version 2 is not the one that entry 2 (ann promoted version 2) made champion: it has policy digest another"
    all_say(said, what, {"score": 2, "serve": 2, "promote": 1, "status": 1, "history": 0})
    assert said("promote", "resume", "2")[0] == 1


def test_tags_that_somebody_changed_are_told_and_set_again(promoted: MlflowClient, said: Said) -> None:
    promoted.set_model_version_tag("conversion", "2", "validation_status", "refused")
    code, told = said("status")
    assert code == 1
    assert "tag validation_status of 2. Type tippingpoint promote resume 2 name=conversion." in told
    assert said("promote", "resume", "2", "name=conversion")[0] == said("status")[0] == 0
