"""Models are found by version or run; what is not ours is refused before anything is loaded."""

from pathlib import Path

import numpy as np
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.tracking.backend import connect
from tippingpoint.tracking.models import load
from tippingpoint.tracking.stored import find


def test_a_run_of_someone_else_is_refused(stored: Path) -> None:
    client = connect()
    run = client.create_run(client.create_experiment("theirs"))
    with pytest.raises(InputError, match="was not made by tippingpoint"):
        find(client, run.info.run_id)


def test_an_empty_store_says_what_to_type(stored: Path) -> None:
    with pytest.raises(InputError, match="Type tippingpoint compare first"):
        find(connect(), "")


def test_a_loaded_model_scores_as_it_did_when_it_was_fitted(at_compared: tuple) -> None:
    client = connect()
    question = at_compared[0].comparison.question
    for run in find(client, at_compared[0].filed.run_id):
        model = load(client, run)
        fitted = next(c for c in at_compared[0].comparison.candidates if c.family == model.name)
        loaded = model.classifier.predict_proba(question.parts.test.features)[:, 1]
        np.testing.assert_allclose(loaded, fitted.score, atol=1e-12)


def test_a_model_file_that_asks_for_more_trust_than_its_family_gives_is_refused(
    at_compared: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tippingpoint.models.boosting import Boosting

    client = connect()
    run = next(r for r in find(client, at_compared[0].filed.run_id) if r.data.params["model"] == "boosting")
    monkeypatch.setattr(Boosting, "trusted", ("numpy.dtype",))
    with pytest.raises(InputError, match="it asks to trust functools"):
        load(client, run)
