"""Whether this process is alive and whether it can serve."""

import ipaddress
import os

from idp.edge import metrics
from idp.edge.messages import NO_STORE, Request, Response, json_response
from idp.errors import EndpointNotFound
from idp.services import Services


def healthz(_services: Services, _request: Request) -> Response:
    """Answer that the process is alive: it takes requests at all."""
    return json_response({"status": "ok"})


def readyz(services: Services, _request: Request) -> Response:
    """Answer whether what every sign-in needs is there; a load balancer sends nobody here otherwise."""
    parts = {"database": services.database.is_up(), "short_lived": services.short_lived.is_up()}
    is_ready = all(parts.values())
    body = {"status": "ready" if is_ready else "unavailable", **{name: "up" if up else "down" for name, up in parts.items()}}
    return json_response(body, status=200 if is_ready else 503)


def show_metrics(services: Services, request: Request) -> Response:
    """Give the metrics to the networks that the configuration names; to all others there is no such page."""
    try:
        address = ipaddress.ip_address(request.address)
    except ValueError:
        raise EndpointNotFound from None
    if not any(address in ipaddress.ip_network(network) for network in services.config.server.metrics_from):
        raise EndpointNotFound
    page = metrics.exposition(os.environ.get(metrics.MULTIPROCESS_VARIABLE))
    return Response(200, (("Content-Type", metrics.CONTENT_TYPE), *NO_STORE), page)
