"""A rollback loads and scores with the previous champion before it moves, and says what it undid."""

import pytest
from mlflow import MlflowClient

from tests.promotion.promoting import FORCED, promoting, rolling_back
from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.tracking.journal import CHAMPION, PREVIOUS
from tippingpoint.tracking.promotion import aliases
from tippingpoint.tracking.registry import DEPLOYMENT


def test_a_rollback_loads_and_scores_first_and_says_what_it_undid(client: MlflowClient) -> None:
    promoting("model=1")
    promoting("model=2", *FORCED, "why=try it", "who=bob")
    assert aliases(client, "conversion") == {CHAMPION: "2", PREVIOUS: "1"}
    dry = rolling_back("dry_run=true")
    assert aliases(client, "conversion")[CHAMPION] == "2"
    done = rolling_back("why=worse")
    for result in (dry, done):
        assert result.undone.version == "2"
        assert result.undone.why == "try it"
    assert done.scored == 5
    assert aliases(client, "conversion") == {CHAMPION: "1"}
    assert client.get_model_version("conversion", "2").tags["validation_status"] == "rolled back"
    with pytest.raises(InputError, match="has no previous champion"):
        rolling_back()


def test_a_previous_champion_that_does_not_load_is_not_brought_back(client: MlflowClient) -> None:
    promoting("model=1")
    promoting("model=2", *FORCED)
    client.delete_run(client.get_model_version("conversion", "1").run_id)
    run = client.get_run(client.get_model_version("conversion", "1").run_id)
    client.set_logged_model_tags(run.outputs.model_outputs[0].model_id, {"lost": "yes"})
    client.delete_logged_model(run.outputs.model_outputs[0].model_id)
    with pytest.raises(RefusedError, match=r"models:/conversion/1: does not load and score .* the champion stays"):
        rolling_back()
    assert aliases(client, "conversion")[CHAMPION] == "2"


@pytest.mark.parametrize("tag", [DEPLOYMENT, "policy_bound_digest"])
def test_a_previous_champion_whose_files_are_others_now_is_not_brought_back(client: MlflowClient, tag: str) -> None:
    promoting("model=1")
    promoting("model=2", *FORCED)
    client.set_model_version_tag("conversion", "1", tag, "another")
    with pytest.raises(RefusedError, match=r"does not load and score .*(was|digest) another.* the champion stays"):
        rolling_back()
    assert aliases(client, "conversion")[CHAMPION] == "2"
