"""The versions that the tests of the service serve."""

from tests.serving.conftest import at_versions, versions

__all__ = ["at_versions", "versions"]
