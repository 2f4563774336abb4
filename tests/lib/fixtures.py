"""Fixtures of the end-to-end and peer tests."""
import os

import pytest
from mtadtest import Instance, Sink


@pytest.fixture(scope="session", autouse=True)
def open_folders(tmp_path_factory):
    """Roles and recipients that are other users must get at what lies below."""
    base = tmp_path_factory.getbasetemp()
    for folder in (base, base.parent):
        os.chmod(folder, 0o755)


@pytest.fixture
def mta(tmp_path):
    """A running mtad; what it logged is shown where a test fails. mta.restart_with(name=value) writes and starts anew."""
    os.chmod(tmp_path, 0o755)
    instance = Instance(tmp_path / "site")
    instance.start()
    yield instance
    print(instance.log()[-6000:], instance.errors()[-2000:], sep="\n--stderr--\n")
    instance.stop()


@pytest.fixture
def good(mta):
    """The healthy remote host: mx.good.test."""
    with Sink("127.0.0.2", mta.remote_port) as sink:
        yield sink
