"""SenID: an OpenID Connect identity provider and federation broker for public-service portals."""

__version__ = "0.1.0"
