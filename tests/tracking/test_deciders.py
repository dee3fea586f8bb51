"""Versions that decide, loaded from the registry."""

import json

import numpy as np
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider


@pytest.fixture
def client(at_compared):
    return backend.connect()


def test_the_registered_version_decides_as_the_comparison_did(client, compared):
    comparison = compared[0].comparison
    winner = comparison.winner
    loaded = load_decider(client, "models:/conversion@challenger")
    test = comparison.question.parts.test
    decided = loaded.decider.decide(test.features)
    assert np.array_equal(decided.score, winner.score)
    expected = winner.policy.decide(winner.score, test.features, comparison.question.actions)
    assert np.array_equal(decided.action, expected)
    assert loaded.policy_digest == winner.policy.bound_digest
    assert next(iter(loaded.decider.deployment.terms.columns)) == test.contract.user_id


def test_the_value_expected_of_everyone_is_what_the_actions_bring_where_truth_is_known(client, compared):
    question = compared[0].comparison.question
    loaded, test = load_decider(client, "models:/conversion@challenger"), question.parts.test
    decided = loaded.decider.decide(test.features)
    true = (question.reward_intercept + question.reward_slope * test.truth)[np.arange(len(test)), decided.action]
    assert decided.value.mean() == pytest.approx(true.mean(), rel=0.1)


def test_a_policy_that_was_changed_in_the_store_is_refused(client, monkeypatch):
    from tippingpoint.tracking import deciders

    fetch = deciders.fetch_version

    def changed(client, reference, path):
        node = json.loads(fetch(client, reference, path))
        return json.dumps(node | {"cuts": [0.1, 0.2]} if path == "policy.json" else node).encode()

    monkeypatch.setattr(deciders, "fetch_version", changed)
    with pytest.raises(InputError, match=r"policy\.json has digest"):
        load_decider(client, "models:/conversion@challenger")
