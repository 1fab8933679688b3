"""The short-lived store: what lasts for minutes, is used once or is counted, in Redis or in an embedded SQLite file."""

from pathlib import Path

from idp.errors import ConfigError
from idp.storage.short_lived.embedded import EmbeddedShortLived
from idp.storage.short_lived.promise import ShortLived
from idp.storage.short_lived.redis_server import RedisShortLived

_EMBEDDED = "sqlite:///"
_REDIS = ("redis://", "rediss://", "unix://")


def open_short_lived(url: str) -> ShortLived:
    """Open the store at `url`; nothing is asked of it yet. Raises `ConfigError` for a URL of another kind."""
    if url.startswith(_EMBEDDED) and url != _EMBEDDED:
        return EmbeddedShortLived(Path(url.removeprefix(_EMBEDDED)))
    if url.startswith(_REDIS):
        return RedisShortLived(url)
    raise ConfigError([f"short_lived.url: starts with none of {_EMBEDDED} {' '.join(_REDIS)}"])


__all__ = ["EmbeddedShortLived", "RedisShortLived", "ShortLived", "open_short_lived"]
