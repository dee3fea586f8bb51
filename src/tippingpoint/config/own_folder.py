"""Folders with groups of the user's own: Hydra reads them through here, so that a file that is wrong is named."""

import io
import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

from hydra.conf import RuntimeConf
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tippingpoint.core.errors import InputError
from tippingpoint.core.yaml_files import line_of, read_text, read_yaml, with_line

CLASSES = {"economics": "tippingpoint.economics.Economics", "policy": "tippingpoint.policies.bands.Bands"}
"""Groups whose options name a class, and the one that is most often meant."""
PACKAGE = re.compile(r"^# *@package +(?!_group_)", re.MULTILINE)


class OwnFolder(ConfigSource):
    """A folder of options beside the shipped ones; in Hydra's search path as `own://FOLDER`."""

    @staticmethod
    def scheme() -> str:
        return "own"

    def load_config(self, config_path: str) -> ConfigResult:
        path = self._place(self._normalize_file_name(config_path))
        where = str(path)
        text = read_text(path, where)
        read_yaml(path, where)  # OmegaConf names no line, and lets errors of PyYAML's through that are none of YAML
        try:
            header = self._get_header_dict(text[:512])
            config = with_line(lambda: OmegaConf.load(io.StringIO(text)), text, where)
        except (ValueError, OSError, OmegaConfBaseException) as error:
            said = " ".join(str(error).split())
            raise InputError(where, f"is no config ({said})", "See conf/ for examples.") from error
        node = OmegaConf.to_container(config, resolve=False)
        _refuse_defaults(node, where)
        _refuse_nameless(node, path, text)
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


def placed(error: InputError, runtime: RuntimeConf, typed: Iterable[str]) -> InputError:
    """Return an error with the file and line of an option of the user's own that set the key it is about.

    Parameters
    ----------
    runtime
        What Hydra says of a composed config: its sources and choices.
    typed
        Overrides of the command line, which come after files.
    """
    words = (re.split("=", word.lstrip("+~"))[0] for word in typed)
    if any(error.where == key or error.where.startswith(f"{key}.") for key in words if key not in runtime.choices):
        return error
    folders = [source.path for source in runtime.config_sources if source.schema == OwnFolder.scheme()]
    for folder, (group, options) in product(folders, runtime.choices.items()):
        for option in [options] if isinstance(options, str) else options or []:
            path = Path(folder, group, f"{option}.yaml")
            if path.is_file() and (at := _at(error, path, group)):
                return InputError(error.where, f"{error.what} ({at})", error.remedy)
    return error


def _at(error: InputError, path: Path, group: str) -> str:
    """The file, and the line, that an error is about; '' where it is not."""
    package = re.search(r"^# *@package +(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    above = group.replace("/", ".") if package is None or package[1] == "_group_" else package[1]
    key = error.where if above == "_global_" else error.where.removeprefix(f"{above}.")
    if key == error.where and above != "_global_":
        return ""
    if line := line_of(path, key.split(".")):
        return f"{path}, line {line}"
    return str(path) if error.what == "not given" and above != "_global_" else ""


def _refuse_nameless(node: Any, path: Path, text: str) -> None:
    """Refuse prices or a policy without a class: they would be laid over others, whose actions then count too."""
    group = path.parent.name
    if group in CLASSES and "_target_" not in node and "defaults" not in node and not re.search(PACKAGE, text):
        remedy = f"Write its class as first line, as _target_: {CLASSES[group]}; conf/{group} has others."
        raise InputError(str(path), "names no class: a `_target_` is missing", remedy)


def _refuse_defaults(node: Any, where: str) -> None:
    """Refuse a list of defaults that is none: Hydra says neither which file nor what to write."""
    defaults = node.get("defaults", []) if isinstance(node, dict) else node
    if not isinstance(node, dict):
        raise InputError(where, "holds no keys", "See conf/ for examples.")
    if not isinstance(defaults, list) or not all(isinstance(entry, str | dict) for entry in defaults):
        raise InputError(f"{where}: defaults", "must be a list of options", "Write - override /data: csv, a line each.")
