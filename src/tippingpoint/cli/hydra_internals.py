"""The parts of Hydra that launching needs and that are not public: its object, and the parser of its own options."""

from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser

__all__ = ["Hydra", "get_args_parser"]
