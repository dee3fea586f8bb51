import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml
from pydantic import Field

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose, config_folder
from tippingpoint.core import strict
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.source import Source
from tippingpoint.economics import Economics
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.models.boosting import Boosting
from tippingpoint.models.family import Family
from tippingpoint.planning.settings import PlanSettings
from tippingpoint.policies.policy import Policy

ROOT = Path(__file__).parents[2]


def check(overrides: list[str]) -> CompareSettings:
    settings = CompareSettings.from_config(compose("compare", overrides))
    for name, component in settings.model.items():
        component.build(Family, f"model.{name}")
    settings.data.build(Source, "data")
    settings.policy.build(Policy, "policy")
    settings.economics.build(Economics, "economics")
    return settings


@pytest.mark.parametrize(
    ("words", "wrong", "typed"),
    [
        (["users_per_day=1000"], "rate=4", "rate=0.04"),
        (["users_per_day=1000"], "rate=4%", "rate=0.04"),
        (["users_per_day=1000"], "rate='2.5 %'", "rate=0.025"),
        (["users_per_day=1000", "rate=0.04"], "power=80", "power=0.8"),
    ],
)
def test_per_cent_are_told_as_the_share_they_are(words: list[str], wrong: str, typed: str) -> None:
    with pytest.raises(InputError) as refused:
        PlanSettings.from_config(compose("plan", [*words, wrong]))
    assert refused.value.remedy == f"Type {typed}."
    key, _, share = typed.partition("=")
    assert getattr(PlanSettings.from_config(compose("plan", [*words, typed])), key) == float(share)


@pytest.mark.parametrize("wrong", ["rate=400", "rate=-4", "rate=140%", "rate=four", "group_size=0.5"])
def test_what_is_no_share_is_not_told_as_one(wrong: str) -> None:
    with pytest.raises(InputError) as refused:
        PlanSettings.from_config(compose("plan", ["users_per_day=1000", "rate=0.1", wrong]))
    assert refused.value.remedy == ""


def test_a_value_in_place_of_keys_is_told_with_the_first_key() -> None:
    with pytest.raises(InputError, match=r"^budget: holds keys with values; got 500\. Type budget\.contacts=500;"):
        SimulateSettings.from_config(compose("simulate", ["budget=500"]))
    assert SimulateSettings.from_config(compose("simulate", ["budget.contacts=500"])).budget.contacts == 500
    with pytest.raises(InputError, match=r"Type economics\.actions\.discount_10\.contact_cost=1;"):
        check(["economics.actions.discount_10=1"])


@pytest.mark.parametrize(
    ("override", "key", "named"),
    [
        ("modle=boosting", "modle", "'model'"),
        ("model=bosting", "model", "'boosting'"),
        ("data.usrs=3", "data.usrs", "'users'"),
        ("+typo=1", "typo", ""),
        ("+data.usrs=3", "data.usrs", "'users'"),
        ("+model.boosting.maxdepth=3", "model.boosting.maxdepth", "'max_depth'"),
        ("+economics.actions.none.price=1", "economics.actions.none.price", "contact_cost"),
        ("split.train=1.5", "split.train", "1.5"),
        ("split.train=0.9", "split", "0.01"),
        ("seed=soon", "seed", "soon"),
        ("model.boosting.max_depth=0", "model.boosting.max_depth", "from 1 to 20"),
        ("policy.cuts=[0.7,0.4]", "policy.cuts", "Type policy.cuts='[0.4, 0.7]'."),
        ("policy.cuts=[0.4]", "policy", "2 different bands"),
        ("policy.actions.low=null", "policy.actions.low", "null"),
        ("data.logging.chances={none: 0.4}", "data.logging.chances", "sum to 1"),
        ("data=csv", "data.path", "Type data.path=…"),
        ("select_by=auc", "select_by", "'roc_auc', 'pr_auc', 'log_loss' or 'brier'"),
        ("policy.actions=null", "policy.actions", "Type policy.actions.KEY=VALUE."),
        ("data.seed=1,2", "data.seed", "Type data.seed='[1,2]'"),
        ("policy._target_=os.system", "policy._target_", "'os.system'"),
        ("policy._target_=tippingpoint.models.boosting.Boosting", "policy._target_", "tippingpoint.models.boosting"),
        ("policy._target_=tippingpoint.nowhere.Policy", "policy._target_", "tippingpoint.nowhere"),
    ],
)
def test_what_cannot_be_right_is_refused_in_one_message(override: str, key: str, named: str) -> None:
    with pytest.raises(InputError) as error:
        check([override])
    assert str(error.value).startswith(f"{key}: ")
    assert named in str(error.value)


def test_two_errors_are_told_together() -> None:
    with pytest.raises(InputError) as error:
        check(["seed=a", "explain_rows=0"])
    assert "seed:" in str(error.value)
    assert "explain_rows:" in str(error.value)


def test_every_shipped_option_is_valid() -> None:
    for group in ("data", "policy", "economics"):
        for path in (config_folder() / group).glob("*.yaml"):
            if "???" in path.read_text() or path.stem == "events":  # wants something of the user's, and says what
                with pytest.raises(InputError, match=rf"^{group}(\.\w+: not given|: needs)"):
                    check([f"{group}={path.stem}"])
            else:
                check([f"{group}={path.stem}"])


class Plugged(Boosting):
    """A family of another package, as a plugin would bring it."""

    extra: int = Field(default=1, ge=0)


def test_a_plugin_s_target_is_accepted_once_its_entry_point_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = yaml.safe_load((ROOT / "conf/model/boosting.yaml").read_text())["boosting"]
    target = f"{__name__}.Plugged"
    component = Component.model_validate(arguments | {"_target_": target, "extra": 2})
    with pytest.raises(InputError, match="neither in tippingpoint nor an installed plugin"):
        component.build(Family, "model.mine")
    entry = EntryPoint("mine", f"{__name__}:Plugged", "tippingpoint.models")
    monkeypatch.setattr(strict, "entry_points", lambda group: [entry] if group == entry.group else [])
    built = component.build(Family, "model.mine")
    assert isinstance(built, Plugged)
    assert built.extra == 2


def test_every_experiment_composes() -> None:
    for path in (ROOT / "experiments").glob("*.yaml"):
        check([f"experiment={path.stem}", *(["data.path=x.csv"] if "/data: csv" in path.read_text() else [])])


def test_settings_dump_to_the_config_they_came_from() -> None:
    settings = check(["seed=3"])
    again = CompareSettings.model_validate(settings.model_dump(mode="json"))
    assert again == settings


@pytest.mark.programs
def test_the_wheel_works_from_any_folder(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True,
        capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "installed", "zip")
    code = "import sys; sys.argv = ['tippingpoint', 'compare', 'experiment=hillstrom', '--cfg', 'job', 'data.path=x'];"
    code += "import tippingpoint.cli.main as main; assert 'installed' in main.__file__; main.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert "visit_bands" in done.stdout, done.stderr
    code = "from tippingpoint.data.generators.world import World; from tippingpoint.config.settings import Settings;"
    code += "from tippingpoint.config.compose import compose;"
    code += "source = Settings.from_config(compose('run', ['data.users=100'])).data.build(World, 'data');"
    code += "print(source.load().intake)"  # validation reads the contract that lies in the wheel
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert "100 rows in = 100 used" in done.stdout, done.stderr
