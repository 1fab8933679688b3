"""The files that ship beside the code: where they lie, and the static ones in memory under addresses that name their content."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

STATIC_PREFIX = "/static/"
_PACKAGE = Path(__file__).resolve().parents[1]
_HASH_LENGTH = 8
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class StaticFile:
    """A static file as it is sent. Its address changes with its content, so it may be kept for ever."""

    body: bytes
    content_type: str

    CACHE_CONTROL = "public, max-age=31536000, immutable"


def find_folder(name: Literal["templates", "static", "locales"]) -> Path:
    """Give the folder of files that ship: inside the package when it was installed from a wheel, else beside it in the source tree."""
    installed = _PACKAGE / "_assets" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


class Assets:
    """Every static file, read once at start-up."""

    def __init__(self, folder: Path) -> None:
        """Read the files of `folder`; raises ValueError for one whose kind is not served."""
        self._files: dict[str, StaticFile] = {}
        self._addresses: dict[str, str] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                self._add(path.relative_to(folder).as_posix(), path.read_bytes())

    def static_url(self, name: str) -> str:
        """Give the address of a static file: `style.css` -> `/static/style.<hash>.css`; raises LookupError."""
        try:
            return self._addresses[name]
        except KeyError:
            raise LookupError(f"no static file {name!r}") from None

    def find_static(self, path: str) -> StaticFile | None:
        """Give the file at a path that `static_url` gave, or None."""
        return self._files.get(path)

    def _add(self, name: str, body: bytes) -> None:
        place = PurePosixPath(name)
        if place.suffix not in _CONTENT_TYPES:
            raise ValueError(f"static file {name!r} is of a kind that is not served")
        digest = hashlib.sha256(body).hexdigest()[:_HASH_LENGTH]
        address = f"{STATIC_PREFIX}{place.with_name(f'{place.stem}.{digest}{place.suffix}')}"
        self._addresses[name] = address
        self._files[address] = StaticFile(body, _CONTENT_TYPES[place.suffix])
