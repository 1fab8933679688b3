"""Where the programs of the sandbox listen: fixed distances from one base port, so that several copies can run side by side."""

from dataclasses import dataclass

DEFAULT_PORT_BASE = 8400
OUTSIDE_DISTANCE = 20


@dataclass(frozen=True)
class Addresses:
    """The addresses of one copy of the sandbox; `is_tls` says whether people reach the provider over TLS."""

    port_base: int = DEFAULT_PORT_BASE
    is_tls: bool = False

    @property
    def provider(self) -> str:
        """Give the issuer."""
        return f"{'https' if self.is_tls else 'http'}://localhost:{self.port_base}"

    def portal(self, number: int) -> str:
        """Give the address of portal 1 or 2."""
        return f"http://127.0.0.1:{self.port_base + number}"

    @property
    def outside(self) -> str:
        """Give the address of the phone, which is the carrier's and the SMS gateways' too."""
        return f"http://127.0.0.1:{self.port_base + OUTSIDE_DISTANCE}"
