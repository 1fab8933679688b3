"""What the browser tests share: Chromium, the running sandbox, and windows on it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser

from tests.browser.backstage import Backstage
from tests.browser.window import Window, open_window
from tests.browser_fixture import chromium
from tests.instances import ROOT
from tests.live import LiveSandbox, live

__all__ = ["chromium", "live"]

SCREENSHOTS = ROOT / "build" / "screenshots"


class OpenWindow(Protocol):
    """Opens a browser for one more person."""

    def __call__(self, *, album: str | None = None, **options: Any) -> Window:
        """Take the name of an album under `build/screenshots`, and what Playwright is to know of the browser."""
        ...


@pytest.fixture
def new_window(chromium: Browser, live: LiveSandbox) -> Iterator[OpenWindow]:
    """Give what opens browsers; each is closed at the end of the test, and nothing may have complained in it."""
    with ExitStack() as windows:

        def new_window(*, album: str | None = None, **options: Any) -> Window:
            folder = _empty_album(album) if album else None
            return windows.enter_context(open_window(chromium, live, album=folder, **options))

        yield new_window


@pytest.fixture
def window(new_window: OpenWindow) -> Window:
    """Give a browser as wide as a small phone."""
    return new_window()


@pytest.fixture(autouse=True)
def nobody_is_suspected(backstage: Backstage) -> Iterator[None]:
    """Forget wrong passwords after each test: everybody here comes from one address, which would have to type picture codes."""
    yield
    backstage.forget_wrong_passwords()


@pytest.fixture(scope="session")
def backstage(live: LiveSandbox) -> Iterator[Backstage]:
    """Give the view behind the pages."""
    backstage = Backstage(live)
    yield backstage
    backstage.close()


def _empty_album(name: str) -> Path:
    folder = SCREENSHOTS / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    return folder
