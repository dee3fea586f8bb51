"""The best score there can be of a world, beside what families reach."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.data.generators.worlds import FAMILIES, built, each_kind, each_world, fitted, fresh, many, scored, world

pytestmark = pytest.mark.worlds


@each_world
@each_kind
def test_is_the_chance_of_the_outcome(name, kind):
    users, score = many(name, kind), scored(name, kind)
    for tenth in np.array_split(np.argsort(score), 10):
        error = np.sqrt((score[tenth] * (1 - score[tenth])).sum()) / len(tenth)
        assert abs(users.outcome[tenth].mean() - score[tenth].mean()) < 4.5 * error


@each_world
@each_kind
def test_best_auc_is_what_the_best_score_gets_on_outcomes(name, kind):
    users, of = many(name, kind), world(name, kind)
    realised = roc_auc_score(users.outcome, scored(name, kind))
    assert of.best_auc(users) == pytest.approx(realised, abs=0.006)


@each_world
def test_nothing_separates_converters_from_the_others(name):
    assert 0.75 < built(name).best_auc(many(name)) < 0.9


def test_the_overlap_of_the_case_study_is_large():
    assert 0.80 < built("case_study").best_auc(many("case_study")) < 0.87


@each_world
@pytest.mark.parametrize("family", FAMILIES)
def test_beats_every_family(name, family):
    users = fresh(name)
    best = built(name).score(users)
    assert roc_auc_score(users.outcome, best) > roc_auc_score(users.outcome, fitted(name)[family].score(users))
    assert built(name).best_auc(users) > roc_auc_score(users.outcome, fitted(name)[family].score(users)) - 0.002
