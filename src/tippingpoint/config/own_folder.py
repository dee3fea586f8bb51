"""Folders with groups of the user's own: Hydra reads them through here, so that a file that is wrong is named."""

import io
from pathlib import Path
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tippingpoint.core.errors import InputError
from tippingpoint.core.yaml_files import read_text, with_line


class OwnFolder(ConfigSource):
    """A folder of options beside the shipped ones; in Hydra's search path as `own://FOLDER`."""

    @staticmethod
    def scheme() -> str:
        return "own"

    def load_config(self, config_path: str) -> ConfigResult:
        path = self._place(self._normalize_file_name(config_path))
        where = str(path)
        text = read_text(path, where)
        try:
            header = self._get_header_dict(text[:512])
            config = with_line(lambda: OmegaConf.load(io.StringIO(text)), text, where)
        except (ValueError, OSError, OmegaConfBaseException) as error:
            said = " ".join(str(error).split())
            raise InputError(where, f"is no config ({said})", "See conf/ for examples.") from error
        _refuse_defaults(OmegaConf.to_container(config, resolve=False), where)
        return ConfigResult(self.provider, self.full_path(), config, header)

    def available(self) -> bool:
        return self.is_group("")

    def is_group(self, config_path: str) -> bool:
        return self._place(config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        return self._place(self._normalize_file_name(config_path)).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        found: list[str] = []
        for path in self._place(config_path).iterdir():
            self._list_add_result(found, str(Path(config_path, path.name)), path.name, results_filter)
        return sorted(set(found))

    def _place(self, config_path: str) -> Path:
        return Path(self.path, config_path)


def searched(folder: Path) -> str:
    """Return how Hydra's search path names a folder, once Hydra knows how to read it."""
    Plugins.instance().register(OwnFolder)
    return f"{OwnFolder.scheme()}://{folder.resolve()}"


def _refuse_defaults(node: Any, where: str) -> None:
    """Refuse a list of defaults that is none: Hydra says neither which file nor what to write."""
    defaults = node.get("defaults", []) if isinstance(node, dict) else node
    if not isinstance(node, dict):
        raise InputError(where, "holds no keys", "See conf/ for examples.")
    if not isinstance(defaults, list) or not all(isinstance(entry, str | dict) for entry in defaults):
        raise InputError(f"{where}: defaults", "must be a list of options", "Write - override /data: csv, a line each.")
