"""Jobs of a sweep share what choosing the same options makes; the config of each is Hydra's own."""

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from tippingpoint.cli.hydra_internals import SweepLoader
from tippingpoint.config.compose import config_folder


@pytest.mark.parametrize(
    "jobs",
    [
        (["seed=1", "model=logistic"], ["seed=2", "model=logistic"], ["seed=2", "model=boosting"]),
        (["economics.price=8", "economics={price: 9}"], ["economics={price: 9}", "economics.price=8"]),
        (["++data.parameters.a=1", "policy.cuts=[0.1,0.2]"], ["+data.b=1", "policy.cuts=[0.3]", "~split.salt"]),
        (["seed=1", "experiment=hillstrom", "policy=top_fraction"], ["data=csv", "seed=${oc.env:HOME}"]),
        (["hydra.job.name=one", "seed=1"], ["hydra.job.name=two", "seed=1"]),
    ],
)
def test_each_job_of_a_sweep_has_the_config_that_hydra_composes_for_it(jobs: tuple[list[str], ...]) -> None:
    with hydra.initialize_config_dir(str(config_folder()), job_name="tippingpoint", version_base="1.3"):
        loaded = GlobalHydra.instance().hydra
        assert loaded is not None
        config = loaded.compose_config("run", ["hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
        shared = SweepLoader(loaded.config_loader.get_search_path())
        for job in (*jobs, *jobs):  # in turn, so that none keeps what another typed
            found, whole = (of.load_sweep_config(config, list(job)) for of in (shared, loaded.config_loader))
            assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(whole)
