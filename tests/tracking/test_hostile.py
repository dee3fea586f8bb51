"""Files of a store that someone tampered with: refused in words, and nothing in them runs."""

import json
import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlparse
from zipfile import ZipFile

import pytest
import skops.io
import yaml
from sklearn.linear_model import LogisticRegression

from tippingpoint.core.errors import InputError
from tippingpoint.policies.best_action import BestAction
from tippingpoint.tracking import backend, deciders
from tippingpoint.tracking.deciders import load_decider
from tippingpoint.tracking.models import check_files
from tippingpoint.tracking.registry import DEPLOYMENT
from tippingpoint.tracking.stored import find, find_version

REFERENCE = "models:/conversion@challenger"


class Planted:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("ran",)


@pytest.fixture
def files(at_compared, tmp_path):
    """A copy of the registered model's folder, which the store takes for the model's; and a client of the store.

    The folder itself is shared with the tests of other workers.
    """
    client = backend.connect()
    (run, *_) = find(client, REFERENCE)
    model = run.outputs.model_outputs[0].model_id
    location = client.get_logged_model(model).artifact_location
    shutil.copytree(urlparse(location).path if "://" in location else location, tmp_path / "artifacts")
    places = (
        ("logged_models", "artifact_location"),
        ("model_versions", "source"),
        ("model_versions", "storage_location"),
    )

    def move(there: str, here: str) -> None:
        with closing(sqlite3.connect(at_compared[1] / "mlflow.db")) as store, store:
            for table, column in places:
                store.execute(f"update {table} set {column} = ? where {column} = ?", (here, there))

    move(location, str(tmp_path / "artifacts"))
    yield tmp_path / "artifacts", client
    move(str(tmp_path / "artifacts"), location)
    assert not Path("ran").exists()


def mlmodel(folder: Path, change: Callable[[dict], object]) -> None:
    node = yaml.safe_load((folder / "MLmodel").read_text())
    change(node)
    (folder / "MLmodel").write_text(yaml.safe_dump(node))


def deployment(folder: Path, change: Callable[[dict], object]) -> None:
    node = json.loads((folder / "deployment.json").read_text())
    change(node)
    (folder / "deployment.json").write_text(json.dumps(node))


def untrusted(folder: Path) -> None:
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(os.system), folder / "model.skops")


def pickled(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps(Planted()))
    (folder / "model.skops").unlink()
    mlmodel(folder, lambda node: node["flavors"]["sklearn"].update(serialization_format="pickle"))


def pickle_called_skops(folder: Path) -> None:
    (folder / "model.skops").write_bytes(pickle.dumps(Planted()))


def cloudpickle_flavour(folder: Path) -> None:
    mlmodel(folder, lambda node: node["flavors"]["sklearn"].update(serialization_format="cloudpickle"))


def path_upwards(folder: Path) -> None:
    mlmodel(folder, lambda node: node["flavors"]["sklearn"].update(pickled_model="../../model.skops"))


PLANT = "import os; os.mkdir({!r})"
"""Code of someone else's: the folder it makes tells that it ran, and where says which process it ran in."""


def code_beside(folder: Path) -> None:
    """A package that stands in for skops where MLflow puts `code` first on the search path."""
    (folder / "extra/skops").mkdir(parents=True)
    (folder / "extra/skops/__init__.py").write_text(PLANT.format(str(Path("ran").absolute())))
    mlmodel(folder, lambda node: node["flavors"]["python_function"].update(code="extra"))


def code_of_sklearn(folder: Path) -> None:
    (folder / "extra").mkdir()
    mlmodel(folder, lambda node: node["flavors"]["sklearn"].update(code="extra"))


def data_elsewhere(folder: Path) -> None:
    """A folder of its own, without a sklearn flavour, is taken for a pickle whatever its file is called."""
    (folder / "sub").mkdir()
    (folder / "sub/model.bin").write_bytes(pickle.dumps(Planted()))
    mlmodel(folder, lambda node: node["flavors"]["python_function"].update(data="sub/model.bin"))


def loader_of_elsewhere(folder: Path) -> None:
    mlmodel(folder, lambda node: node["flavors"]["python_function"].update(loader_module="antigravity"))


def config_of_elsewhere(folder: Path) -> None:
    mlmodel(folder, lambda node: node["flavors"]["python_function"].update(model_config={"a": 1}))


def more_trust(folder: Path) -> None:
    mlmodel(folder, lambda node: node["flavors"]["sklearn"]["skops_trusted_types"].append("os.system"))


def another_flavour(folder: Path) -> None:
    mlmodel(folder, lambda node: node["flavors"].update(evil={"loader_module": "evil"}))


def flavours_of_words(folder: Path) -> None:
    mlmodel(folder, lambda node: node.update(flavors={"python_function": "x", "sklearn": "y"}))


def zip_slip(folder: Path) -> None:
    with ZipFile(folder / "model.skops", "a") as archive:
        archive.writestr("../../planted", "x")


def link_elsewhere(folder: Path) -> None:
    (folder / "model.skops").unlink()
    (folder / "model.skops").symlink_to("/etc/hostname")


def no_schema(folder: Path) -> None:
    with ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("schema.json", "{}")


def no_signature(folder: Path) -> None:
    mlmodel(folder, lambda node: node.pop("signature"))


def another_signature(folder: Path) -> None:
    inputs = [{"name": "salary", "type": "double", "required": True}]
    mlmodel(folder, lambda node: node["signature"].update(inputs=json.dumps(inputs)))


def narrower_signature(folder: Path) -> None:
    def cut(node: dict) -> None:
        node["signature"]["inputs"] = json.dumps(json.loads(node["signature"]["inputs"])[1:])

    mlmodel(folder, cut)


def no_pipeline(folder: Path) -> None:
    skops.io.dump(LogisticRegression(), folder / "model.skops")


def column_of_another_type(folder: Path) -> None:
    def change(node: dict) -> None:
        node["terms"]["columns"]["sessions_7d"] = {"type": "category"}

    deployment(folder, change)


def action_without_response(folder: Path) -> None:
    deployment(folder, lambda node: node["responses"].pop("discount_10"))


def no_json(folder: Path) -> None:
    (folder / "deployment.json").write_text("{")


def class_of_elsewhere(folder: Path) -> None:
    node = json.loads((folder / "policy.json").read_text())
    (folder / "policy.json").write_text(json.dumps(node | {"_target_": "os.system"}))


def prices_of_elsewhere(folder: Path) -> None:
    deployment(folder, lambda node: node.update(prices={"_target_": "subprocess.Popen", "args": "true"}))


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (untrusted, "does not trust"),
        (pickled, "is a pickle"),
        (pickle_called_skops, "cannot be read"),
        (cloudpickle_flavour, "serialization_format is cloudpickle, not skops"),
        (path_upwards, "pickled_model is ../../model.skops, not model.skops"),
        (code_beside, "its python_function has code, which may be code of its own"),
        (code_of_sklearn, "its sklearn.code is extra, not None"),
        (data_elsewhere, "its python_function has data"),
        (loader_of_elsewhere, "loader_module is antigravity"),
        (config_of_elsewhere, "its python_function has model_config"),
        (more_trust, "it asks to trust os.system"),
        (another_flavour, "its flavours are evil, python_function, sklearn"),
        (flavours_of_words, "its flavours are python_function, sklearn"),
        (zip_slip, "outside its folder"),
        (link_elsewhere, "cannot be read|lost its files|outside its folder"),
        (no_schema, "cannot be read"),
        (no_signature, "signature"),
        (another_signature, "its signature reads"),
        (narrower_signature, "its signature does not"),
        (no_pipeline, "no pipeline"),
        (column_of_another_type, "its deployment.json has it as a category"),
        (action_without_response, "was made for none, checkout_prompt alone"),
        (no_json, "is no JSON"),
        (class_of_elsewhere, "neither in tippingpoint"),
        (prices_of_elsewhere, "neither in tippingpoint"),
    ],
)
def test_it_is_refused_in_words(files, tamper, said, monkeypatch):
    folder, client = files
    tamper(folder)
    monkeypatch.setattr(deciders, "digest_of", lambda node: registered(client))  # as if it were made so from the start
    with pytest.raises(InputError, match=said):
        load_decider(client, REFERENCE).decider.deployment.economics  # noqa: B018


def registered(client):
    return find_version(client, REFERENCE).tags[DEPLOYMENT]


def cheaper(node: dict) -> None:
    node["prices"]["price_monthly"] = 1.0


def another_response(node: dict) -> None:
    node["responses"]["discount_10"] = node["responses"]["none"]


def wider_terms(node: dict) -> None:
    node["terms"]["columns"]["sessions_7d"] = {"type": "number", "missing": True}


@pytest.mark.parametrize("change", [cheaper, another_response, wider_terms])
def test_prices_responses_and_terms_are_those_it_was_registered_with(files, change):
    folder, client = files
    deployment(folder, change)
    with pytest.raises(InputError, match=rf"deployment.json has digest [0-9a-f]+, registered was {registered(client)}"):
        load_decider(client, REFERENCE)


def test_a_policy_that_cannot_decide_a_user_alone_is_refused(files, monkeypatch):
    folder, client = files
    actions = {"none": "none", "discount_10": "discount_10"}
    node = {"_target_": "tippingpoint.policies.best_action.BestAction", "name": "best", "version": 1}
    (folder / "policy.json").write_text(json.dumps(node | {"actions": actions}))
    tag = find_version(client, REFERENCE).tags["policy_bound_digest"]
    monkeypatch.setattr(BestAction, "bound_digest", tag)
    with pytest.raises(InputError, match=r"its policy cannot decide a user alone .best has no reward model yet"):
        load_decider(client, REFERENCE)


@pytest.mark.parametrize("plant", [code_beside, data_elsewhere, more_trust, link_elsewhere])
def test_mlflow_is_let_to_load_a_version_only_after_its_files_were_looked_at(files, plant):
    folder, client = files
    check_files(client, "models:/conversion/1")
    with pytest.raises(InputError, match="is no version by its number"):
        check_files(client, REFERENCE)
    plant(folder)
    with pytest.raises(InputError):
        check_files(client, "models:/conversion/1")


@pytest.mark.parametrize("plant", [code_beside, data_elsewhere])
def test_a_promotion_runs_nothing_that_lies_beside_a_model(files, plant, call, capsys):
    plant(files[0])
    assert call("promote", "name=conversion", "dry_run=true") != 0
    said = capsys.readouterr()
    assert "which may be code of its own" in " ".join((said.out + said.err).split())
    assert not Path("ran").exists()


def test_untouched_it_loads(files):
    assert load_decider(files[1], REFERENCE).decider.columns
