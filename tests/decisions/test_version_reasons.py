"""Why each user's score is what it is."""

import numpy as np
import pytest

from tippingpoint.decisions.deployment import Reference
from tippingpoint.decisions.reasons import Reasons
from tippingpoint.explanation.values import explain


@pytest.fixture(params=["logistic", "random_forest", "boosting"])
def explained(request, compared):
    """Reasons of one family, and its values as its own run has them."""
    question = compared[0].comparison.question
    model = next(c for c in compared[0].comparison.candidates if c.family == request.param).model
    train, test = question.parts.train, question.parts.test.take(np.arange(60))
    columns = {c.name: c.kind for c in train.contract.columns}
    reference = Reference.of(train.features, np.full(len(train), 0.5))
    reasons = Reasons(model.family, model.classifier, columns, reference)
    return reasons, test.features, explain(model, train.contract, test.features, train.features).values


def test_values_are_those_of_the_run_without_the_users_it_learnt_from(explained):
    reasons, features, values = explained
    assert reasons.values(features)[0] == pytest.approx(values, abs=1e-9)


def test_the_three_largest_are_said_in_words_with_their_direction(explained):
    reasons, features, values = explained
    words = reasons.words(features)
    names = list(reasons.columns)
    for row in range(len(features)):
        for k, j in enumerate(np.abs(values[row]).argsort(kind="stable")[::-1][:3]):
            assert words[k][row].startswith(f"{names[j]} ")
            assert words[k][row].endswith("raises it" if values[row, j] > 0 else "lowers it")
