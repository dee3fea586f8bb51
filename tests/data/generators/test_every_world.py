"""Worlds: reproducible to the last digit, and what a table must be."""

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import logit

from tests.data.generators.worlds import WORLDS, built, each_kind, each_world, node, same, world
from tippingpoint.core.errors import InputError
from tippingpoint.data.contract import shipped
from tippingpoint.data.generators.world import BLOCK


def test_the_three_table_worlds_are_found():
    assert {"case_study", "streamzone", "retention"} <= set(WORLDS)


class TestEveryWorld:
    @each_world
    def test_honours_its_contract(self, name):
        users = built(name, users=2_000).load()
        contract = users.contract
        assert len(users) == 2_000
        assert list(users.features.columns) == [column.name for column in contract.columns]
        assert not users.features.isna().any(axis=None)
        assert all(users.features[column].dtype == np.float64 for column in contract.names("number"))
        assert all(pd.api.types.is_string_dtype(users.features[c]) for c in contract.names("category"))
        assert len(set(users.user_id)) == 2_000
        assert users.truth.shape == (2_000, len(users.actions))
        assert np.all((users.truth > 0) & (users.truth < 1))
        assert set(users.outcome) == {0, 1}
        assert set(users.action) == set(range(len(users.actions)))
        assert users.measures is None or np.isfinite(users.measures.to_numpy()).all()

    @each_world
    def test_is_checked_at_the_door_with_its_truth_beside_it(self, name, tmp_path):
        users, own = built(name, users=3000).load(), shipped(name).read_text()
        assert (users.intake.rows, users.intake.quarantined) == (3000, 0)
        number = next(n for n in users.contract.names("number") if users.features[n].nunique() > 20)
        limit = float(users.features[number].quantile(0.98))
        terms = yaml.safe_load(own)
        terms["columns"][number] |= {"max": limit}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(terms))
        strict = {"contract": str(tmp_path / "c.yaml"), "quarantine": str(tmp_path / "q")}
        kept = built(name, users=3000, **strict).load()
        holds = (users.features[number] <= limit).to_numpy()
        assert kept.intake.used == len(kept) == holds.sum() < 3000
        assert f"{number} is above" in next(iter(kept.intake.reasons))
        assert np.array_equal(kept.truth, users.truth[holds])
        assert kept.digest == users.take(holds).digest
        with pytest.raises(InputError, match=r"of .* breaks it, more than data.quarantine_share=0"):
            built(name, users=3000, **strict, quarantine_share=0.0).load()

    def test_may_be_given_actions_its_contract_does_not_know(self):
        logging = node("data/case_study")["logging"] | {"chances": {"none": 0.5, "sms": 0.5}}
        assert len(built("case_study", users=500, logging=logging, strength={"sms": 0.5}).load()) == 500

    @each_world
    def test_hides_from_a_model_what_a_model_must_not_see(self, name):
        users = built(name, users=100).load()
        hidden = {"user_id", "action", users.contract.outcome, *users.contract.dropped}
        hidden |= set(users.measures.columns if users.measures is not None else [])
        assert hidden.isdisjoint(users.features.columns)
        assert not any(pd.api.types.is_datetime64_any_dtype(dtype) for dtype in users.features.dtypes)

    @each_world
    @each_kind
    def test_is_the_same_bytes_from_the_same_seed_and_others_from_another(self, name, kind):
        one, again = (world(name, kind, users=3_000).load() for _ in range(2))
        assert same(one, again)
        assert world(name, kind, users=3_000, seed=1).load().digest != one.digest

    @each_world
    @each_kind
    def test_draws_user_i_the_same_whatever_the_size(self, name, kind):
        first = np.arange(1_000)
        small, large = (world(name, kind, users=n).load().take(first) for n in (10_000, 50_000))
        assert same(small, large)

    @each_world
    def test_streams_what_it_loads(self, name):
        users, seen = built(name, users=2 * BLOCK + 5).load(), 0
        for block in built(name, users=2 * BLOCK + 5).blocks():
            assert len(block) <= BLOCK
            assert same(block, users.take(np.arange(seen, seen + len(block))))
            seen += len(block)
        assert seen == len(users)

    @each_world
    def test_draws_any_block_without_those_before_it(self, name):
        later = built(name).block(3_000_000)
        assert later.user_id[0] == f"u{3_000_000 * BLOCK}"
        assert same(later, built(name).block(3_000_000))
        assert set(later.truth[:, 0]).isdisjoint(built(name).block(0).truth[:, 0])

    @each_world
    def test_another_seed_draws_other_users_of_the_same_world(self, name):
        one, other = (built(name, users=BLOCK, seed=seed).load() for seed in (1, 2))
        assert set(one.truth[:, 0]).isdisjoint(other.truth[:, 0])
        assert abs(one.truth.mean() - other.truth.mean()) < 5 * one.truth[:, 0].std() * np.sqrt(2 / BLOCK)

    @each_world
    def test_a_copy_with_another_setting_is_the_world_configured_so(self, name):
        original = built(name, users=500)
        original.load()
        shares = {"persuadable": 0.1, "sure_thing": 0.4, "lost_cause": 0.4, "sleeping_dog": 0.1}
        copied = original.model_copy(update={"responses": shares})
        assert same(copied.load(), built(name, users=500, responses=shares).load())

    @each_world
    def test_writes_a_table_with_all_there_is_to_write(self, name):
        users = built(name, users=50).load()
        table = built(name, users=50).table(users)
        hidden = [*users.contract.dropped, *(users.measures.columns if users.measures is not None else [])]
        expected = {"user_id", "action", users.contract.outcome, *users.features.columns, *hidden}
        assert set(table.columns) == expected
        assert list(table["action"]) == [users.actions[a] for a in users.action]


class TestDrift:
    @each_world
    def test_is_off_unless_asked_for(self, name):
        assert built(name).drift.log_odds == built(name).drift.effect == 0

    @each_world
    def test_moves_the_outcome_evenly_and_then_rests(self, name):
        drifted = built(name, users=24_000, drift={"over": 12_000, "log_odds": 1.0, "effect": 0.0}).load()
        still = built(name, users=24_000).load()
        moved = (logit(drifted.truth) - logit(still.truth))[:, 0]
        assert moved == pytest.approx(np.minimum(np.arange(24_000) / 12_000, 1.0), abs=1e-6)
        rates = drifted.outcome.reshape(6, -1).mean(axis=1)
        assert rates[3:].mean() > 1.1 * rates[0]

    @each_world
    def test_wears_effects_out(self, name):
        users = built(name, users=40_000, drift={"over": 20_000, "log_odds": 0.0, "effect": -1.0}).load()
        uplift = np.abs(users.truth[:, 1:] - users.truth[:, :1]).max(axis=1)
        assert uplift[:2_000].mean() > 3 * uplift[15_000:20_000].mean() > 0
        assert np.all(uplift[20_000:] < 1e-12)
