"""What was found of a model where it was fitted is said in the same words where it is simulated."""

import json
from types import SimpleNamespace

import pytest

from tests.simulation.simulations import ask, drawn
from tippingpoint.experiment.collect import _kept
from tippingpoint.experiment.diagnostics import Finding
from tippingpoint.tracking import backend
from tippingpoint.tracking.models import FINDINGS
from tippingpoint.tracking.stored import fetch

pytestmark = pytest.mark.usefixtures("simulated")


def test_a_simulation_says_what_the_cards_of_its_models_say(compared: tuple) -> None:
    result = ask(f"models=[{compared[0].filed.run_id}]", "tracking.log=false")
    client, told = backend.connect(writing=False), {}
    for model in result.simulation.gathered.about["models"].values():
        told |= {
            (node["code"], node["of"]): node
            for node in json.loads(fetch(client, model["run_id"], FINDINGS))
            if node["code"].startswith("TP2")
        }
    found = {(f.code, f.of): f for f in result.simulation.findings if f.code.startswith("TP2")}
    assert found == {key: Finding.from_dict(node) for key, node in told.items()}
    shown = " ".join(drawn(result).split())
    assert all(" ".join(str(finding).split()) in shown for finding in found.values())


def test_what_takes_the_fit_to_tell_is_kept_for_the_users_it_was_found_on() -> None:
    found = [Finding(code, "warning", "", code, {}, "", "", "logistic") for code in ("TP203", "TP205", "TP401")]
    model = SimpleNamespace(findings=tuple(f.to_dict() for f in found), data_digest="a")
    assert _kept(model, SimpleNamespace(digest="a")) == tuple(found[:2])
    assert _kept(model, SimpleNamespace(digest="b")) is None
    assert _kept(SimpleNamespace(findings=None, data_digest="a"), SimpleNamespace(digest="a")) is None
