"""A winner that is worse than who is challenger, on the same test users, does not take the alias unless asked."""

from dataclasses import replace

import numpy as np
import pytest
from mlflow import MlflowClient

from tippingpoint.config.settings import Tracking
from tippingpoint.experiment.challenger import challenge_unless_worse
from tippingpoint.tracking.promotion import aliases
from tippingpoint.tracking.registry import CHALLENGER, Version


def test_one_that_is_worse_leaves_the_alias_where_it_is_and_says_so(
    client: MlflowClient, compared: tuple, capsys: pytest.CaptureFixture
) -> None:
    comparison = compared[0].comparison
    question, winner, second = comparison.question, comparison.winner, Version("conversion", "2")
    assert aliases(client, "conversion")[CHALLENGER] == "1"
    shuffled = np.random.default_rng(0).permutation(winner.score)
    worse = replace(winner, score=shuffled, value=question.valued.value(winner.policy, shuffled))
    challenge_unless_worse(client, second, worse, question, Tracking())
    assert aliases(client, "conversion")[CHALLENGER] == "1"
    assert "models:/conversion/2 is no challenger" in capsys.readouterr().err
    assert "worse than version 1" in client.get_model_version("conversion", "2").tags["no_challenger"]
    challenge_unless_worse(client, second, worse, question, Tracking(challenger="always"))
    assert aliases(client, "conversion")[CHALLENGER] == "2"


def test_one_that_is_not_told_worse_takes_it(client: MlflowClient, compared: tuple) -> None:
    comparison = compared[0].comparison
    challenge_unless_worse(client, Version("conversion", "2"), comparison.winner, comparison.question, Tracking())
    assert aliases(client, "conversion")[CHALLENGER] == "2"
