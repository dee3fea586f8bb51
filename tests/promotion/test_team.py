"""A gate is pinned on a registered model, and a second person approves where it says so."""

import json
from collections.abc import Callable
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from tests.promotion.promoting import FORCED, QUICK, kinds, promoting
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.promotion.approve import ApproveResult, promote_approve
from tippingpoint.promotion.history import history
from tippingpoint.promotion.job import PromoteResult, promote
from tippingpoint.promotion.pin import PinResult, promote_pin
from tippingpoint.promotion.settings import (
    ApproveSettings,
    HistorySettings,
    PinSettings,
    PromoteSettings,
    StatusSettings,
)
from tippingpoint.promotion.status import status
from tippingpoint.tracking.entries import append
from tippingpoint.tracking.journal import CHAMPION, journal_name, read
from tippingpoint.tracking.promotion import aliases


def pinning(*words: str) -> PinResult:
    return promote_pin(PinSettings.from_config(compose("promote_pin", list(words))))


def plainly(*words: str) -> PromoteResult:
    """Promote without any word on the gate but those given."""
    return promote(PromoteSettings.from_config(compose("promote", list(words))))


def approving(number: int, *words: str) -> ApproveResult:
    return promote_approve(ApproveSettings.from_config(compose("promote_approve", [f"request={number}", *words])))


def last(client: MlflowClient, name: str = "conversion") -> Any:
    return read(client, name).entries[-1]


def of_status(name: str = "conversion", *words: str) -> dict[str, Any]:
    return status(StatusSettings.from_config(compose("status", [f"name={name}", *words]))).to_dict()["models"][0]


@pytest.fixture
def as_(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Be logged in by another name."""

    def logged_in(name: str) -> None:
        monkeypatch.setenv("LOGNAME", name)

    return logged_in


def test_everyone_promotes_by_the_pinned_gate_and_what_is_laid_over_it_stands_by_name(
    client: MlflowClient, capsys: pytest.CaptureFixture, call: Callable[..., int]
) -> None:
    assert call("promote", "pin", "gate=strict", "gate.fresh=null", *QUICK, "why=no less") == 0
    assert "is pinned on models:/conversion." in capsys.readouterr().out
    assert pinning("gate=strict", "gate.fresh=null", *QUICK).entry is None, "it was so before"
    pin = last(client)
    assert (pin.kind, pin.why, kinds(client)) == ("pin", "no less", ["pin"])
    assert of_status()["pinned"]["gate"] == pin.judgement["gate"]
    held = plainly("dry_run=true").judgement
    assert held is not None
    assert (held.gate, held.overrides) == (pin.judgement["gate"], ())
    same = plainly("dry_run=true", "gate=strict", "gate.fresh=null", *QUICK).judgement
    assert same is not None
    assert (same.gate, same.overrides, same.look) == (held.gate, (), held.look)
    laid = plainly("gate.slices=null", "gate.looks.most=7").judgement
    assert laid is not None
    assert laid.gate.startswith("strict ")
    assert laid.overrides == ("gate.slices=null", "gate.looks.most=7")
    assert "slices" not in {check.name for check in laid.checks}
    (row, *_) = history(HistorySettings()).to_dict()["entries"]
    assert "overrides gate.slices=null gate.looks.most=7" in row["gate"]
    assert "overrides gate.slices=null" in client.get_registered_model("conversion").description
    other = plainly("dry_run=true", "gate=no_worse", "model=2").judgement
    assert other is not None
    assert "gate.better.margin=0.005" in other.overrides
    assert other.gate.startswith("no_worse ")
    assert pinning("unpin=true").gate is None
    assert of_status()["pinned"] is None


def test_an_environment_has_its_question_s_pin_until_it_has_its_own(client: MlflowClient) -> None:
    pinning("gate=strict", "gate.slices=null")
    with pytest.raises(InputError, match=r"leaves the check slices out. Leave gate.slices.inconclusive=… out"):
        plainly("gate.slices.inconclusive=blocks")
    assert of_status("conversion", "to=prod")["pinned"]["on"] == "conversion"
    pinning("gate=no_worse", "to=prod")
    assert of_status("conversion", "to=prod")["pinned"]["on"] == "conversion-prod"
    assert of_status()["pinned"]["gate"].startswith("strict ")


def test_a_second_person_approves_and_the_entry_names_both(client: MlflowClient, as_: Callable[[str], None]) -> None:
    as_("ann")
    held = pinning("gate.approval=true", *QUICK).held
    assert "This store knows no users" in held
    before = kinds(client)
    with pytest.raises(RefusedError, match="tippingpoint promote request 1 name=conversion") as refused:
        plainly()
    assert refused.value.where == "gate.approval"
    assert kinds(client) == before, "no look was lost"
    asked = plainly("request=true", "why=first of all")
    assert (asked.requested, asked.promoted, asked.refused) == (True, False, False)
    assert asked.entry is not None
    number = asked.entry.number
    assert aliases(client, "conversion").get(CHAMPION) is None
    (waiting,) = of_status()["requests"].values()
    assert f"Another user types tippingpoint promote approve {number} name=conversion." in waiting
    with pytest.raises(RefusedError, match=r"ann asked for entry .* cannot be who approves it"):
        approving(number)
    as_("bob")
    done = approving(number)
    assert aliases(client, "conversion")[CHAMPION] == "1"
    assert (done.entry.who, done.entry.why, done.request.who) == ("bob", "first of all", "ann")
    assert done.entry.run_id == client.get_model_version("conversion", "1").run_id
    assert done.entry.model_id.startswith("m-")
    assert done.entry.policy_digest == client.get_model_version("conversion", "1").tags["policy_bound_digest"]
    assert done.entry.judgement["passed"]
    gate = history(HistorySettings()).to_dict()["entries"][0]["gate"]
    assert f"asked for by ann in entry {number}" in gate
    assert of_status()["requests"] == {}
    with pytest.raises(RefusedError, match="is void: bob approved it"):
        approving(number)


def requested(client: MlflowClient, *words: str) -> int:
    asked = promoting("request=true", *words)
    assert asked.requested
    assert asked.entry is not None
    return asked.entry.number


def test_a_request_is_void_once_its_version_the_champion_or_the_gate_is_another(
    client: MlflowClient, as_: Callable[[str], None]
) -> None:
    as_("ann")
    before_pin = requested(client)
    pinning("gate=standard", *QUICK)
    as_("bob")
    with pytest.raises(RefusedError, match="void: another gate is pinned now"):
        approving(before_pin)
    assert "is void" in of_status()["requests"][str(before_pin)]
    as_("ann")
    changed = requested(client)
    tags = client.get_model_version("conversion", "1").tags
    client.set_model_version_tag("conversion", "1", "policy_bound_digest", "0" * 16)
    as_("bob")
    with pytest.raises(RefusedError, match=r"void: version 1 has policy digest 0+, not .*promote request 1 name=con"):
        approving(changed)
    client.set_model_version_tag("conversion", "1", "policy_bound_digest", tags["policy_bound_digest"])
    late = requested(client, "model=2", *FORCED)
    promoting("model=1")
    with pytest.raises(RefusedError, match="void: the champion is by entry"):
        approving(late)
    with pytest.raises(InputError, match="entry 999 of the journal of conversion is no request"):
        approving(999)


def test_a_request_for_an_environment_is_copied_there_once_it_is_approved(
    client: MlflowClient, as_: Callable[[str], None]
) -> None:
    as_("ann")
    number = requested(client, "to=prod")
    assert client.search_model_versions("name = 'conversion-prod'") == []
    as_("bob")
    assert approving(number, "to=prod").version == "1"
    assert aliases(client, "conversion-prod") == {CHAMPION: "1"}
    assert aliases(client, "conversion").get(CHAMPION) is None


def test_what_nobody_who_may_edit_the_model_stands_behind_pins_nothing_and_cannot_be_approved(
    client: MlflowClient,
) -> None:
    forged = {"kind": "request", "version": "1", "against": "", "based_on": "0", "claimed": "{}", "claim": "c"}
    pin = {**forged, "kind": "pin", "version": "", "judgement": json.dumps({"asked": {}, "gate": "lax"})}
    promoting("dry_run=true")
    for tags in (forged, pin):
        mlflow.MlflowClient().create_model_version(journal_name("conversion"), "models:/conversion/1", tags=tags)
    assert (of_status()["pinned"], of_status()["requests"]) == (None, {})
    with pytest.raises(InputError, match="is no request, as nobody who may edit the model stands behind it"):
        approving(2)
    whats = [entry["what"] for entry in history(HistorySettings()).to_dict()["entries"]]
    assert whats[:2] == ["does not count"] * 2


def test_entries_of_a_release_before_announcements_count_beside_a_pin(client: MlflowClient) -> None:
    promoting("model=1")
    entry = read(client, "conversion").head
    assert entry is not None
    pinning("gate=strict")
    assert read(client, "conversion").champion == "1"
    with pytest.raises(RefusedError):  # based on what is no longer newest
        append(client, "conversion", "promote", "2", "", 0, who="carl")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["approve"], "request: not given. Type request=…"),
        (["approve", "seven"], "request: "),
        (["request", "1", "dry_run=true"], "request: asks for an approval, and dry_run for nothing. Drop one."),
        (["pin", "gate=stict"], "Nearest: 'strict'"),
        (["pin", "gate.spead=null"], "Nearest: 'speed'"),
    ],
)
def test_wrong_words_are_named(refused: Callable[..., Any], stored: Any, words: list[str], said: str) -> None:
    assert said in refused("promote", *words)
