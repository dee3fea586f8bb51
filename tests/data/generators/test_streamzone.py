"""Who watches, stays and converts, and who can see it."""

import pytest
from sklearn.metrics import roc_auc_score

from tests.data.generators.worlds import FAMILIES, fitted, fresh, many


@pytest.mark.parametrize("trees", ["random_forest", "boosting"])
def test_trees_see_what_a_line_cannot(trees):
    users, models = fresh("streamzone"), fitted("streamzone")
    auc = {family: roc_auc_score(users.outcome, models[family].score(users)) for family in FAMILIES}
    assert auc[trees] > auc["logistic"] + 0.03


def test_smart_tv_users_watch_stay_and_convert_more_than_mobile_ones():
    users = many("streamzone")
    table = users.features.assign(converted=users.outcome, stays=users.measures["days_active_next_28d"])
    table = table.drop(columns="favourite_genre").groupby("device_type").mean()
    tv, mobile = table.loc["smart_tv"], table.loc["mobile"]
    for column in ("weekly_watch_hours", "days_active", "stays", "converted"):
        assert tv[column] > 1.2 * mobile[column]


def test_hours_add_up():
    features = many("streamzone").features
    live = features["weekly_watch_hours"] * (1 - features["replay_share"])
    assert features["live_hours"].to_numpy() == pytest.approx(live.to_numpy(), abs=0.006)
