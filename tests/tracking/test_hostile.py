"""Files of a store that someone tampered with: refused in words, and nothing in them runs."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse
from zipfile import ZipFile

import pytest
import skops.io
import yaml
from sklearn.linear_model import LogisticRegression

from tests.conftest import working_in
from tippingpoint.errors import InputError
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider
from tippingpoint.tracking.models import find

REFERENCE = "models:/conversion@challenger"


class Planted:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("ran",)


@pytest.fixture
def files(compared, tmp_path):
    """The folder of the registered model, put back afterwards; and a client of its store."""
    with working_in(compared[1]):
        client = backend.connect()
        (run, *_) = find(client, REFERENCE)
        location = client.get_logged_model(run.outputs.model_outputs[0].model_id).artifact_location
        folder = Path(urlparse(location).path if "://" in location else location)
        shutil.copytree(folder, tmp_path / "kept")
        yield folder, client
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "kept", folder)
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
        (cloudpickle_flavour, "saved as cloudpickle"),
        (path_upwards, "outside its folder"),
        (zip_slip, "outside its folder"),
        (link_elsewhere, "cannot be read|lost its files|outside its folder"),
        (no_schema, "cannot be read"),
        (no_signature, "signature"),
        (another_signature, "its signature reads"),
        (narrower_signature, "its signature does not"),
        (no_pipeline, "no pipeline"),
        (column_of_another_type, "its deployment.json has it as a category"),
        (action_without_response, "no response"),
        (no_json, "is no JSON"),
        (class_of_elsewhere, "neither in tippingpoint"),
        (prices_of_elsewhere, "neither in tippingpoint"),
    ],
)
def test_it_is_refused_in_words(files, tamper, said):
    folder, client = files
    tamper(folder)
    with pytest.raises(InputError, match=said):
        load_decider(client, REFERENCE).decider.deployment.economics  # noqa: B018


def test_untouched_it_loads(files):
    assert load_decider(files[1], REFERENCE).decider.columns
