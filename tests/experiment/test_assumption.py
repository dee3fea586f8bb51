"""An assumed response in words, the same way for outcomes that are wanted and that are not."""

import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.experiment.assumption import in_words

ACTIONS = ("none", "offer")


def test_a_wanted_outcome_comes_about_more_often() -> None:
    assert in_words(ACTIONS, [1, 1.1], "converted", 0.3, good=True) == "offer: 10% more converted (30.0% to 33.0%)"


def test_of_one_that_is_not_wanted_fewer_have_it() -> None:
    assert in_words(ACTIONS, [1, 1.05], "churned", 0.2, good=False) == "offer: 20% fewer churned (20.0% to 16.0%)"


def test_no_response_changes_nothing() -> None:
    assert in_words(ACTIONS, [1, 1], "churned", 0.2, good=False) == "offer: as many churned (20.0% to 20.0%)"


@pytest.mark.parametrize(("rate", "good", "most"), [(0.8, True, "1.25"), (0.2, False, "1.25")])
def test_more_than_everyone_cannot_do_what_is_wanted(rate: float, good: bool, most: str) -> None:
    with pytest.raises(InputError, match=f"economics.actions.offer.assumed_response={most}"):
        in_words(ACTIONS, [1, 1.5], "churned", rate, good)
    in_words(ACTIONS, [1, float(most)], "churned", rate, good)
