"""The cookies that we set: their names, and how they are written."""

from datetime import timedelta

from idp.values import secret_hash


class Cookies:
    """Names and writes cookies. Behind TLS they carry `Secure` and `__Host-` (RFC 6265bis 4.1.3.2), which ties them to this host."""

    def __init__(self, *, secure: bool) -> None:
        """Say whether people reach us over TLS."""
        self._secure = secure
        prefix = "__Host-" if secure else ""
        self.browser = f"{prefix}senid_browser"  # one per browser: binds interactions and drafts, and keys the anti-forgery token
        self.session = f"{prefix}senid_session"
        self.device = f"{prefix}senid_device"
        self.language = f"{prefix}senid_language"
        self._opened = f"{prefix}senid_opened_"

    def opened(self, interaction_id: str) -> str:
        """Give the name of the cookie that holds an interaction opened by a cross-site POST until its first page."""
        return self._opened + secret_hash(interaction_id)[:12]

    def write(self, name: str, value: str, *, lifetime: timedelta | None = None) -> tuple[str, str]:
        """Give the `Set-Cookie` header; without a lifetime the cookie ends with the browser."""
        age = f"; Max-Age={int(lifetime.total_seconds())}" if lifetime is not None else ""
        secure = "; Secure" if self._secure else ""
        return "Set-Cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{age}{secure}"

    def clear(self, name: str) -> tuple[str, str]:
        """Give the `Set-Cookie` header that removes the cookie."""
        return self.write(name, "", lifetime=timedelta(0))
