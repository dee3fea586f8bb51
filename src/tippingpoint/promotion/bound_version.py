"""A registered version made of the model of another and a further policy: its run, its files, its tags."""

import json
import tempfile
from pathlib import Path

import yaml

from tippingpoint.policies.policy import Policy
from tippingpoint.promotion.contestants import Contestant
from tippingpoint.reports.palette import colour
from tippingpoint.tracking.models import OUT_OF_FOLD, saved_scores
from tippingpoint.tracking.promotion import version_of
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client, Version, bound_before, register
from tippingpoint.tracking.runs import COLOUR, Run, in_pages
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.tags import ACTIONS, BOUND_FROM, DATA, FITTED_IN, JOB, LEARNER

BOUND = "bound_digest"
"""Tag of a run: model and policy that it binds, by which one that was cut short is found again."""
OF_VERSION = ("test_roc_auc", "data", "model", LEARNER, ACTIONS, "evidence", DATA, "economics")
"""Tags that a version has from the one its model is of."""


def make(client: Client, name: str, source: Contestant, policy: Policy) -> Version:
    """The version of a source's model with another bound policy; where a killed process left one, it is that one.

    Raises
    ------
    InputError
        When files of the source are gone.
    OutsideError
        When the store cannot be used.
    """
    assert source.decider is not None
    model, deployment = source.model, source.decider.deployment.model_copy(update={"checks": {}})  # of other segments
    digest = f"{model.model_id} {policy.bound_digest}"
    there = bound_before(client, name, source.uri, policy.bound_digest)
    if (left := _left(client, model.experiment, digest)) is None and there:
        return Version(name, there)
    number = source.uri.rpartition("/")[2]
    kept = version_of(client, name, number).tags
    tags = {
        **provenance().tags(),
        JOB: "bind",
        BOUND: digest,
        BOUND_FROM: source.uri,
        FITTED_IN: source.fitted_in,
        COLOUR: colour(model.name),
        "question": model.question,
        "evidence": kept["evidence"],
        DATA: model.data_digest,
        "policy_name": policy.name,
        "policy_version": str(policy.version),
        "policy_digest": policy.digest,
        "seed": str(model.config["seed"]),
        **{key: kept[key] for key in (LEARNER, ACTIONS) if key in kept},
    }
    called = f"{model.name} · {policy.name} version {policy.version} · bound from {number}"
    with tracked(client, model.experiment, called, tags, again=left) as run:
        _file(run, source, policy)
        model_id = run.model_again(client.get_logged_model(model.model_id).artifact_location, policy, deployment)
        if there:  # it was cut between its version and its end
            return Version(name, there)
        of = {key: kept[key] for key in OF_VERSION if key in kept}
        of |= {"policy": f"{policy.name} version {policy.version}", BOUND_FROM: source.uri, FITTED_IN: source.fitted_in}
        note = f"The model of [version {number}](#/models/{name}/versions/{number}) with policy {policy.name}."
        return register(client, name, model_id, run.run_id, policy, deployment, of, note)


def _left(client: Client, experiment: str, digest: str) -> str | None:
    """The run of a process that was killed before it had registered its version."""
    wanted = f"tags.{BOUND} = '{digest}' and attributes.status != 'RUNNING' and attributes.status != 'FINISHED'"
    return next((run.info.run_id for run in in_pages(client, [experiment], wanted, page=1)), None)


def _file(run: Run, source: Contestant, policy: Policy) -> None:
    """Parameters and artifacts: those of the model's run, but for the policy."""
    model, config = source.model, source.model.config | {"policy": policy.specification()}
    before = run.client.get_run(model.run_id)
    # Without `calibration` the model is not shown as a fitted one again.
    own = {k: v for k, v in before.data.params.items() if not k.startswith("policy") and k != "calibration"}
    run.params(own | {"policy": policy.name, **{f"policy.{key}": of for key, of in config["policy"].items()}})
    run.inputs_of(before)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        (folder / "policy.json").write_text(json.dumps(policy.bound(), indent=2))
        if model.out_of_fold is not None:
            (folder / OUT_OF_FOLD).write_bytes(saved_scores(model.out_of_fold))
        run.artifacts(folder)
