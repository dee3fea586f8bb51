"""What tests of promotions share: a store to do with as one likes, and the verbs on it."""

from mlflow import MlflowClient

from tippingpoint.config.compose import compose
from tippingpoint.promotion.job import PromoteResult, promote
from tippingpoint.promotion.rollback import RollbackResult, rollback
from tippingpoint.promotion.settings import PromoteSettings, RollbackSettings
from tippingpoint.tracking.champion import identity
from tippingpoint.tracking.journal import read

QUICK = ["gate.reload=null", "gate.explanation.rows=20", "gate.speed.milliseconds=10000"]


def promoting(*words: str) -> PromoteResult:
    return promote(PromoteSettings.from_config(compose("promote", [*QUICK, *words])))


def rolling_back(*words: str) -> RollbackResult:
    return rollback(RollbackSettings.from_config(compose("rollback", list(words))))


def words_of(result: PromoteResult) -> dict[str, str]:
    assert result.judgement is not None
    return {check.name: check.verdict for check in result.judgement.checks}


def of_version(client: MlflowClient, number: str) -> dict[str, str]:
    """What an entry says of a version besides its number."""
    return identity(client, client.get_model_version("conversion", number))


LENIENT = [f"gate.{check}.inconclusive=passes" for check in ("quality", "better", "value")]
FORCED = [*LENIENT, "gate.better.margin=0.5", "gate.value.margin=100", "gate.slices=null", "gate.calibration=null"]


def figure(result: PromoteResult, check: str, name: str) -> float | None:
    assert result.judgement is not None
    return next(one.figures.get(name) for one in result.judgement.checks if one.name == check)


def kinds(client: MlflowClient) -> list[str]:
    return [entry.kind for entry in read(client, "conversion").entries]
