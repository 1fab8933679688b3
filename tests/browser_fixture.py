"""The one Chromium that a worker of the tests drives: Playwright does not start twice in one process.

A test file or `conftest.py` that needs it says `from tests.browser_fixture import chromium`; however many do, a worker starts one.
"""

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.instances import find_chromium

__all__ = ["chromium"]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM = pytest.StashKey[Browser]()


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest) -> Browser:
    """Give the Chromium of this worker, started by whoever asks first and closed when the worker ends."""
    stash = request.config.stash
    if CHROMIUM not in stash:
        program = find_chromium()
        assert program is not None, "mark the test with pytest.mark.browser, which says what to do without Chromium"
        playwright = sync_playwright().start()
        request.config.add_cleanup(playwright.stop)
        stash[CHROMIUM] = playwright.chromium.launch(executable_path=program, args=FLAGS)
        request.config.add_cleanup(stash[CHROMIUM].close)
    return stash[CHROMIUM]
