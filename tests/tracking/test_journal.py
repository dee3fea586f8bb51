"""The journal alone says who is champion, whatever is appended to it, by whomever, in whichever order."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient

from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.tracking import entries, promotion
from tippingpoint.tracking.backend import connect
from tippingpoint.tracking.entries import TRIES, OvertakenError, append
from tippingpoint.tracking.journal import CHAMPION, PREVIOUS, Entry, Journal, journal_name, read
from tippingpoint.tracking.promotion import MARK, aliases, carry_out, question, questions, registry_status


def entry(number: int, based_on: int, kind: str = "promote", version: str = "1") -> Entry:
    of = (kind, version, "", based_on, 0, "ann", "", "", "", "")
    return Entry(number, *of, claim=str(number), digest="d")  # type: ignore[arg-type]  # a stand-in, as the test needs it


def announced(*entries: Entry) -> Journal:
    """A journal whose entries were all announced on the model."""
    return Journal("conversion", entries, {one.claim: one.digest for one in entries})


@st.composite
def journals(draw: st.DrawFn) -> tuple[Entry, ...]:
    kinds = st.sampled_from(["promote", "promote", "rollback", "refused", "look"])
    return tuple(entry(n, draw(st.integers(0, n - 1)), draw(kinds), str(n)) for n in range(1, draw(st.integers(1, 12))))


@given(journals())
def test_what_counts_is_a_chain_each_based_on_the_one_before(entries: tuple[Entry, ...]) -> None:
    counting = announced(*entries).counting
    assert [e.based_on for e in counting] == [0, *(e.number for e in counting)][: len(counting)]
    assert all(e.kind in ("promote", "rollback") for e in counting)


@given(journals(), st.data())
def test_what_counts_never_changes_by_what_is_appended(entries: tuple[Entry, ...], data: st.DataObject) -> None:
    some = entries[: data.draw(st.integers(0, len(entries)))]
    before, after = announced(*some).counting, announced(*entries).counting
    assert after[: len(before)] == before


@given(journals())
def test_of_entries_with_one_base_one_counts_at_most(entries: tuple[Entry, ...]) -> None:
    bases = [e.based_on for e in announced(*entries).counting]
    assert len(bases) == len(set(bases))


FORGED: list[dict] = [{"claim": ""}, {"digest": "another"}, {"claim": "", "old": True}]


@given(journals(), journals(), st.data())
def test_entries_that_nobody_announced_change_nothing_whatever_they_say(
    own: tuple[Entry, ...], theirs: tuple[Entry, ...], data: st.DataObject
) -> None:
    own = tuple(replace(one, number=2 * one.number, based_on=2 * one.based_on) for one in own)  # theirs stand between
    bases = st.integers(0, 2 * len(own))
    forged = [replace(one, number=2 * one.number - 1, based_on=data.draw(bases)) for one in theirs]
    forged = [replace(one, **data.draw(st.sampled_from(FORGED))) for one in forged]
    mixed = tuple(sorted([*own, *forged], key=lambda one: one.number))
    found = Journal("conversion", mixed, announced(*own).announced)
    assert found.counting == announced(*own).counting
    assert {one.number for one in found.foreign} == {
        one.number for one in forged if one.kind in ("promote", "rollback")
    }


def test_a_rollback_takes_the_last_promotion_away_and_two_take_two() -> None:
    moves = [entry(1, 0, version="1"), entry(2, 1, version="2"), entry(3, 2, version="3")]
    moves.append(entry(4, 3, "rollback", "2"))
    once = announced(*moves)
    assert (once.champion, once.previous) == ("2", "1")
    twice = announced(*moves, entry(5, 4, "rollback", "1"))
    assert (twice.champion, twice.previous) == ("1", "")


def test_an_entry_whose_base_was_deleted_undoes_nothing_and_the_gap_is_told() -> None:
    journal = announced(entry(1, 0, version="1"), entry(3, 2, version="3"))
    assert journal.champion == "3"
    assert journal.missing == [2]


@pytest.fixture
def client(stored: Path) -> MlflowClient:
    client = connect()
    client.create_registered_model("conversion", description="Ours.")
    for _ in range(4):
        client.create_model_version("conversion", "s3://bucket/model")
    return client


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12))
def test_each_pair_has_the_place_of_its_first_look_whatever_is_written_later(pairs: list[str]) -> None:
    looks = [replace(entry(n, 0, "look"), judgement={"version": v}) for n, v in enumerate(pairs, 1)]
    journal = Journal("conversion", tuple(looks))
    places = [journal.look(one) for one in looks]
    assert places == [Journal("conversion", tuple(looks[: n + 1])).look(one) for n, one in enumerate(looks)]
    assert dict(zip(pairs, places, strict=True)) == {v: k for k, v in enumerate(dict.fromkeys(pairs), 1)}


def words(journal: Journal) -> str:
    return f"champion {journal.champion}"


def move(client: MlflowClient, version: str, based_on: int, against: str = "", who: str = "ann") -> Entry:
    return append(client, "conversion", "promote", version, against, based_on, who=who)


def test_aliases_tags_and_description_are_what_the_journal_says(client: MlflowClient) -> None:
    client.set_registered_model_alias("conversion", "challenger", "2")
    move(client, "1", 0)
    _, written = carry_out(client, "conversion", move(client, "2", 1, "1"), words)
    assert "alias champion" in written
    assert aliases(client, "conversion") == {CHAMPION: "2", PREVIOUS: "1"}
    assert client.get_model_version("conversion", "1").tags["validation_status"] == "superseded"
    assert client.get_model_version("conversion", "2").tags["promoted_by"] == "ann"
    assert client.get_registered_model("conversion").description == f"Ours.\n\n{MARK}\nchampion 2"
    head = read(client, "conversion").head
    assert head is not None
    assert head == read(client, "conversion").entries[1]
    assert carry_out(client, "conversion", head, words)[1] == ()


def test_whoever_is_second_is_told_who_was_first_and_nothing_moves(client: MlflowClient) -> None:
    move(client, "1", 0, who="ann")
    with pytest.raises(
        OvertakenError, match=r"models:/conversion/2: not moved: ann promoted version 1 .*entry 1"
    ) as it:
        move(client, "2", 0, who="bob")
    assert it.value.exit_code == 1
    assert read(client, "conversion").champion == "1"


def test_an_entry_that_lost_before_it_could_mark_itself_is_lost_all_the_same(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = move(client, "1", 0)
    with monkeypatch.context() as patch:  # bob reads before ann writes, and is killed once he wrote
        patch.setattr(entries, "moves", lambda *_: Journal("conversion"))
        patch.setattr(entries, "TRIES", 1)
        with pytest.raises(OutsideError):
            move(client, "2", 0, who="bob")
    journal, _ = carry_out(client, "conversion", first, words)
    assert (journal.champion, [e.number for e in journal.lost]) == ("1", [2])
    assert move(client, "3", 1, "1").number == 3


def test_an_entry_that_nobody_announced_on_the_model_does_not_count(client: MlflowClient) -> None:
    tags = {"kind": "promote", "version": "2", "based_on": "0", "who": "mallory", "claim": "a", "claimed": "{}"}
    client.create_registered_model(journal_name("conversion"))
    client.create_model_version(journal_name("conversion"), "models:/conversion/2", tags=tags)
    client.create_model_version(journal_name("conversion"), "models:/conversion/2", tags={"kind": "promote"})
    client.create_model_version(
        journal_name("conversion"), "models:/conversion/2", tags={**tags, "judgement": "[[[", "kind": "look"}
    )
    journal = read(client, "conversion")
    assert (journal.champion, [one.number for one in journal.foreign]) == ("", [1])
    assert [one.kind for one in journal.entries] == ["promote", "unreadable", "unreadable"]
    won = move(client, "1", 0)
    assert (won.number, read(client, "conversion").champion) == (4, "1")


def test_an_entry_that_says_something_else_than_was_announced_does_not_count(client: MlflowClient) -> None:
    move(client, "1", 0)
    client.set_model_version_tag(journal_name("conversion"), "1", "version", "3")
    journal = read(client, "conversion")
    assert (journal.champion, [one.number for one in journal.foreign]) == ("", [1])


def test_a_slow_writer_that_overwrote_a_newer_champion_sets_it_again(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = move(client, "1", 0)
    set_alias, slept = MlflowClient.set_registered_model_alias, []

    def slow(self: MlflowClient, name: str, alias: str, version: str) -> None:
        if not slept:  # between its reading and its writing another promotes and projects
            slept.append(True)
            carry_out(client, "conversion", move(client, "2", 1, "1"), words)
        set_alias(self, name, alias, version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", slow)
    journal, _ = carry_out(client, "conversion", first, words)
    assert journal.champion == "2"
    assert aliases(client, "conversion") == {CHAMPION: "2", PREVIOUS: "1"}


def test_an_entry_whose_request_was_answered_to_nobody_is_found_and_not_written_twice(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, calls = MlflowClient.create_model_version, []

    def lost_answer(self: MlflowClient, *words: object, **more: object) -> object:
        found = create(self, *words, **more)  # type: ignore[arg-type]  # a stand-in, as the test needs it
        calls.append(found)
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(MlflowClient, "create_model_version", lost_answer)
    assert move(client, "1", 0).number == 1
    assert len(calls) == 1


def test_an_entry_that_the_last_of_all_tries_wrote_is_found(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, calls = MlflowClient.create_model_version, []

    def at_last(self: MlflowClient, *words: object, **more: object) -> object:
        calls.append(words)
        if len(calls) < TRIES:
            raise ConnectionError("reset by peer")
        return create(self, *words, **more)  # type: ignore[arg-type]  # a stand-in, as the test needs it

    monkeypatch.setattr(MlflowClient, "create_model_version", at_last)
    monkeypatch.setattr("tippingpoint.tracking.entries.PAUSE", 0)
    assert move(client, "1", 0).number == 1
    assert read(client, "conversion").champion == "1"


def test_a_store_that_takes_no_entry_is_outside_and_says_why(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: MlflowClient, *words: object, **more: object) -> None:
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(MlflowClient, "create_model_version", refuse)
    monkeypatch.setattr("tippingpoint.tracking.entries.PAUSE", 0)
    with pytest.raises(OutsideError, match=r"takes no entry of the journal .reset by peer.") as it:
        move(client, "1", 0)
    assert it.value.exit_code == 3


def test_aliases_that_someone_moved_by_hand_are_told_and_set_again(client: MlflowClient) -> None:
    first = move(client, "1", 0)
    journal, _ = carry_out(client, "conversion", first, words)
    client.set_registered_model_alias("conversion", CHAMPION, "4")
    assert registry_status(client, journal, words).behind == ("alias champion",)
    assert carry_out(client, "conversion", first, words)[1] == ("alias champion",)


def test_a_version_that_was_deleted_holds_up_nothing_and_is_told(client: MlflowClient) -> None:
    move(client, "1", 0)
    second = move(client, "2", 1, "1")
    client.delete_model_version("conversion", "1")
    journal, _ = carry_out(client, "conversion", second, words)
    assert (journal.champion, aliases(client, "conversion")) == ("2", {CHAMPION: "2"})
    assert registry_status(client, journal, words).behind == ("version 1 was deleted",)
    journal, _ = carry_out(client, "conversion", move(client, "3", 2, "2"), words)
    assert aliases(client, "conversion") == {CHAMPION: "3", PREVIOUS: "2"}
    assert registry_status(client, journal, words).behind == ()


def test_an_environment_is_not_mixed_into_another_question_of_its_name(client: MlflowClient) -> None:
    client.create_registered_model("conversion-prod")
    with pytest.raises(InputError, match="conversion-prod is there already, and is no environment of conversion"):
        promotion.make_environment(client, "conversion", "conversion-prod")
    assert promotion.versions(client, "conversion-prod") == []


def test_the_one_registered_model_is_meant_and_of_several_the_names_are_told(client: MlflowClient) -> None:
    move(client, "1", 0)
    promotion.make_environment(client, "conversion", "conversion-prod")
    promotion.copied(client, client.get_model_version("conversion", "1"), "conversion-prod")
    assert questions(client) == ["conversion"]
    assert question(client, None) == "conversion"
    client.create_registered_model("churn")
    with pytest.raises(InputError, match=r"several models are registered: churn, conversion. Type name=churn"):
        question(client, None)
    with pytest.raises(InputError, match=r"no registered model 'convers'. Nearest: 'conversion'"):
        question(client, "convers")


def test_a_copy_for_an_environment_is_made_once(client: MlflowClient) -> None:
    promotion.make_environment(client, "conversion", "conversion-prod")
    version = client.get_model_version("conversion", "3")
    assert [promotion.copied(client, version, "conversion-prod") for _ in range(2)] == ["1", "1"]
    assert promotion.origin(client, client.get_model_version("conversion-prod", "1")) == "s3://bucket/model"
