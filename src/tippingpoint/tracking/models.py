"""Models that are there already, loaded without trusting what their files ask for."""

import hashlib
import io
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import mlflow
import numpy as np
import skops.io
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types.schema import DataType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

from tippingpoint.config.settings import VERSION
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.models.effect_models import trusted_types
from tippingpoint.models.family import Family
from tippingpoint.models.learners.learner import Learner
from tippingpoint.models.saved_form import foreign
from tippingpoint.tracking.backend import outside
from tippingpoint.tracking.promotion import origin
from tippingpoint.tracking.refusals import is_missing
from tippingpoint.tracking.stored import config_of, contestant_of, fetch, find, find_version, stored_run
from tippingpoint.tracking.tags import ACTIONS, LEARNER

OUT_OF_FOLD = "out_of_fold.npy"
"""Artifact of a run: scores of its validation users by models that were not fitted on them."""
FINDINGS = "findings.json"
"""Artifact of a run: what diagnostics found of its model and policy, as its card says it."""
PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle")


@dataclass(frozen=True)
class LoadedModel:
    """A logged model, and what its run was asked.

    Parameters
    ----------
    name
        What it is called beside others: its family's name in the config (`boosting`), and its learner's where it
        predicts effects (`boosting_dr`).
    config
        The run's composed config.
    columns
        Features it reads, and whether each is a `number` or a `category`.
    data_digest, question
        Content of the users it was judged on, and what was asked.
    experiment
        Id of the experiment its run is in.
    registered
        The version its run was registered as (`models:/name/1`), if it was.
    classifier
        What scores raw user columns.
    out_of_fold
        (n,) scores of the validation users, in their order, by models that were not fitted on them: itself, or, of the
        winner of a search, those of its folds; None where its run kept none. (n, K + 1) where it
        predicts effects.
    content
        Digest of the file that holds what scores.
    base, learner
        Of a model that predicts effects the names in the config of its family and its learner; else ''.
    actions
        Names of the K actions whose effects it predicts, in order; None where it predicts none.
    findings
        What diagnostics found of it on its own test users, as `FINDINGS` has it; None where that is not known.
    """

    name: str
    run_id: str
    model_id: str
    config: dict[str, Any]
    columns: dict[str, str]
    data_digest: str
    question: str
    experiment: str
    registered: str | None
    classifier: Any
    out_of_fold: np.ndarray | None = None
    content: str = ""
    base: str = ""
    learner: str = ""
    actions: tuple[str, ...] | None = None
    findings: tuple[dict[str, Any], ...] | None = None

    @property
    def family(self) -> Family:
        """Its family, as its run configured it."""
        return family_of(self.config, self.base or self.name)

    @property
    def trusted(self) -> tuple[str, ...]:
        """Types that its file may hold."""
        return trusted_of(self.config, self.base or self.name, self.learner)


def family_of(config: dict[str, Any], name: str) -> Family:
    """A family as a run configured it."""
    return Component.of(config["model"][name], f"model.{name}").build(Family, f"model.{name}")


def trusted_of(config: dict[str, Any], name: str, learner: str) -> tuple[str, ...]:
    """Types that the file of a model may hold, as its run configured family and learner ('' for none)."""
    of = None
    if learner:
        of = Component.of(config["learner"][learner], f"learner.{learner}").build(Learner, f"learner.{learner}")
    return trusted_types(family_of(config, name), of)


def check_files(client: MlflowClient, reference: str) -> None:
    """Refuse files that are not those we write: for whoever lets MLflow load them.

    Parameters
    ----------
    reference
        `models:/name/1`, or a logged model, `models:/m-…`.

    Raises
    ------
    InputError
        When they are not, or the reference is an alias, which may move before it is loaded.
    """
    version, logged = VERSION.fullmatch(reference), re.fullmatch(r"models:/(m-[0-9a-f]+)", reference)
    if not (version and version[2]) and not logged:
        raise InputError("models", f"{reference!r} is no version by its number", "Give one as models:/NAME/NUMBER.")
    try:
        run_id = None if logged is None else str(client.get_logged_model(logged[1]).source_run_id)
        model = load(client, find(client, reference)[0] if run_id is None else stored_run(client, run_id))
        same = client.get_logged_model(model.model_id).artifact_location
        at = origin(client, find_version(client, reference) if logged is None else reference)
    except MlflowException as error:
        if not is_missing(error):
            raise outside(error) from error
        raise InputError("models", f"there is no {reference}", "Give one as models:/NAME/NUMBER.") from error
    if at != same:
        raise InputError(reference, "its source is not its run's model", "Name another version.")


def load(client: MlflowClient, run: StoredRun) -> LoadedModel:
    """Load the model of a run with the types its family trusts, whatever else the file asks for.

    Raises
    ------
    InputError
        When artifacts of the run are gone, or the file holds types that the family does not trust.
    """
    model_id = run.outputs.model_outputs[0].model_id
    name, learner = run.data.params["model"], run.data.params.get(LEARNER, "")
    try:
        with tempfile.TemporaryDirectory() as temporary:
            config = config_of(client, run)
            location = client.get_logged_model(model_id).artifact_location
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=temporary))
            trusted = trusted_of(config, name, learner)
            signature = _signature(folder, model_id, trusted)
            classifier = _opened(file := folder / "model.skops", trusted, model_id)
            content = hashlib.sha256(file.read_bytes()).hexdigest()
    except (OSError, MlflowException) as error:
        if not is_missing(error):
            raise outside(error, reading=True) from error
        raise InputError(
            "models", f"run {run.info.run_id} has lost its files ({error})", "Name another run."
        ) from error
    except UntrustedTypesFoundException as error:
        raise InputError("models", f"run {run.info.run_id} holds types {name} does not trust ({error})") from error
    return LoadedModel(
        name=contestant_of(run),
        run_id=run.info.run_id,
        model_id=model_id,
        config=config,
        columns={c.name: "category" if c.type == DataType.string else "number" for c in signature.inputs.inputs},
        data_digest=run.data.tags["data_digest"],
        question=run.data.tags["question"],
        experiment=run.info.experiment_id,
        registered=next((f"models:/{v.name}/{v.version}" for v in _versions(client, run)), None),
        classifier=classifier,
        out_of_fold=_out_of_fold(client, run),
        content=content,
        base=name,
        learner=learner,
        actions=tuple(json.loads(run.data.tags[ACTIONS])) if learner else None,
    )


def with_findings(client: MlflowClient, model: LoadedModel) -> LoadedModel:
    """The model with what diagnostics found of it; as it is where its run did not keep that."""
    try:
        found = json.loads(fetch(client, model.run_id, FINDINGS))
    except InputError:
        return model
    return replace(model, findings=tuple(found))


def saved_scores(score: np.ndarray) -> bytes:
    """What a model gives of users, as `OUT_OF_FOLD` holds it."""
    buffer = io.BytesIO()
    np.save(buffer, score.astype(np.float64), allow_pickle=False)
    return buffer.getvalue()


def _out_of_fold(client: MlflowClient, run: StoredRun) -> np.ndarray | None:
    """Scores of validation users by models that did not learn from them; None where the run has none."""
    try:
        return np.asarray(np.load(io.BytesIO(fetch(client, run.info.run_id, OUT_OF_FOLD)), allow_pickle=False))
    except InputError:
        return None  # a run of before they were kept


def _signature(folder: Path, model_id: str, trust: Sequence[str]) -> ModelSignature:
    """The signature of a downloaded model, if its files are what we write: no pickle, no code, nothing from elsewhere.

    Parameters
    ----------
    trust
        Types its family trusts.

    Raises
    ------
    InputError
        When they are not.
    """
    where, remedy = f"models:/{model_id}", "Name another version: this one's files are not those of tippingpoint."
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(where, f"its file {path.name} lies outside its folder", remedy)
        if path.suffix in PICKLES:
            raise InputError(where, f"its file {path.name} is a pickle, and reading one runs what it holds", remedy)
    try:
        written = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
        wrong = foreign(written, trust)
        signature = ModelSignature.from_dict(written["signature"])
        names = [column.name for column in signature.inputs.inputs]
    except (
        yaml.YAMLError,
        UnicodeDecodeError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        MlflowException,
    ) as bad:
        raise InputError(where, f"its MLmodel has no sklearn flavour with a signature ({bad!r:.80})", remedy) from bad
    if wrong:
        raise InputError(where, f"its MLmodel is not one we write: {'; '.join(wrong)}", remedy)
    if not names or None in names:
        raise InputError(where, "its signature names no columns", remedy)
    return signature


def _opened(path: Path, trusted: Sequence[str], model_id: str) -> Any:
    """What a skops file holds, of the types its family and its learner trust."""
    where, remedy = f"models:/{model_id}", "Name another version: this one's files are not those of tippingpoint."
    try:
        with ZipFile(path) as archive:
            out = [name for name in archive.namelist() if name.startswith(("/", "\\")) or ".." in Path(name).parts]
        if out:
            raise InputError(where, f"its {path.name} names the file {out[0]}, outside its folder", remedy)
        classifier = skops.io.load(path, trusted=list(trusted))
    except (UntrustedTypesFoundException, OSError, InputError):
        raise
    except Exception as error:  # whatever a file that was tampered with makes the reader trip over
        raise InputError(where, f"its {path.name} cannot be read ({type(error).__name__})", remedy) from error
    if not isinstance(classifier, Pipeline | CalibratedClassifierCV):
        raise InputError(where, f"its {path.name} holds a {type(classifier).__name__}, no pipeline", remedy)
    return classifier


def _versions(client: MlflowClient, run: StoredRun) -> list[ModelVersion]:
    """Versions a run was registered as; copies of them, which environments hold, aside."""
    found = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    return [version for version in found if not str(version.source).startswith("models:/")]
