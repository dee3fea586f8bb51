"""An assumed response in words, the same way for outcomes that are wanted and that are not."""

import numpy as np
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.experiment.assumption import in_words
from tippingpoint.offpolicy.evidence import assumed, factor
from tippingpoint.offpolicy.value import break_even_response

ACTIONS = ("none", "offer")


def test_a_wanted_outcome_comes_about_more_often() -> None:
    assert in_words(ACTIONS, [1, 1.1], "converted", 0.3, good=True) == "offer: 10% more converted (30.0% to 33.0%)"


def test_of_one_that_is_not_wanted_fewer_have_it() -> None:
    assert in_words(ACTIONS, [1, 1.25], "churned", 0.2, good=False) == "offer: 20% fewer churned (20.0% to 16.0%)"


def test_no_response_changes_nothing() -> None:
    assert in_words(ACTIONS, [1, 1], "churned", 0.2, good=False) == "offer: as many churned (20.0% to 20.0%)"


@pytest.mark.parametrize(("response", "good", "most"), [(1.5, True, "1.25"), (0.5, False, "1.05")])
def test_more_than_everyone_cannot_have_the_outcome(response: float, good: bool, most: str) -> None:
    with pytest.raises(InputError, match=f"economics.actions.offer.assumed_response={most}"):
        in_words(ACTIONS, [1, response], "churned", 0.8, good)
    in_words(ACTIONS, [1, float(most)], "churned", 0.8, good)


def test_of_an_outcome_that_is_not_wanted_who_is_likeliest_to_have_it_gains_most() -> None:
    scores = assumed(np.array([0.9, 0.1]), np.array([1.0, 1.25]), good=False)
    assert scores == pytest.approx(np.array([[0.9, 0.72], [0.1, 0.08]]))


@pytest.mark.parametrize(("good", "slope"), [(True, [40.0, 38.0]), (False, [-40.0, -40.0])])
def test_at_the_break_even_response_the_action_earns_what_none_does(good: bool, slope: list[float]) -> None:
    base, intercept, slopes = 0.3, np.array([1.0, 0.5]), np.array(slope)
    response = break_even_response(base, intercept, slopes, good)
    assert response > 1
    then = intercept[1] + slopes[1] * base * factor(np.array(response), good)
    assert then == pytest.approx(intercept[0] + slopes[0] * base)


def test_an_action_that_costs_more_than_all_who_leave_pays_from_no_response_on() -> None:
    assert break_even_response(0.1, np.array([0.0, -9.0]), np.array([-40.0, -40.0]), good=False) == float("inf")
