"""A PostgreSQL of the tests' own; they skip where there is none."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from penchant.bench import _postgresql
from penchant.core.errors import NotReady


@contextmanager
def cluster() -> Generator[_postgresql.Cluster]:
    """A server that forgets everything when the power fails, and is quicker for it."""
    try:
        with _postgresql.cluster("fsync=off") as running:
            yield running
    except NotReady as reason:
        pytest.skip(f"{reason}; tests/install_system_packages.sh installs Debian's")
