"""The parts of Hydra that launching needs and that are not public: its object, the parser of its own options, and how
it composes the jobs of a sweep."""

import pickle

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.defaults_list import Overrides
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

__all__ = ["Hydra", "SweepLoader", "get_args_parser"]


class SweepLoader(ConfigLoaderImpl):
    """Compose the jobs of a sweep; those that choose the same options share all that comes before their values.

    Hydra reads and merges every file anew for each job, twice, and lays the values that were typed over the result.
    """

    _shared: dict[tuple[str, ...], bytes]  # as bytes, of which a config is made faster than of another one

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return the config of one job."""
        typed = OverridesParser.create().parse_overrides(sweep_overrides)
        if any(override.is_hydra_override() for override in typed):
            return super().load_sweep_config(master_config, sweep_overrides)
        if not hasattr(self, "_shared"):
            name, words = master_config.hydra.job.config_name, list(master_config.hydra.overrides.hydra)
            _, self._files = self._parse_overrides_and_create_caching_repo(name, words)
            self._shared = {}
        values = Overrides(self._files, typed).config_overrides
        choices = tuple(str(override.input_line) for override in typed if override not in values)
        if choices not in self._shared:
            self._shared[choices] = pickle.dumps(super().load_sweep_config(master_config, list(choices)))
        config: DictConfig = pickle.loads(self._shared[choices])
        self._apply_overrides_to_config(values, config)
        job = config.hydra.job
        config.hydra.overrides.task = [override.input_line for override in typed]
        job.override_dirname = get_overrides_dirname(typed, **job.config.override_dirname)
        return config
