"""Discovery and keys: only what is there, and all of it."""

import json

from authlib.oidc.discovery import OpenIDProviderMetadata

from tests.world import World


def test_the_document_is_valid_and_every_endpoint_in_it_answers(world: World) -> None:
    browser = world.browser()
    document = browser.get("/.well-known/openid-configuration").json or {}
    https = json.loads(json.dumps(document).replace("http://localhost:8400", "https://localhost:8400"))
    OpenIDProviderMetadata(https).validate()
    assert document["issuer"] == "http://localhost:8400"
    for name, address in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert browser.get(address.removeprefix("http://localhost:8400")).status_code != 404, name
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert document["request_uri_parameter_supported"] is False
    assert "none" not in json.dumps({key: value for key, value in document.items() if "alg" in key})


def test_the_keys_are_public_named_and_distinct_and_readable_from_any_page(world: World) -> None:
    response = world.browser().get("/jwks")
    keys = json.loads(response.data)["keys"]
    assert {key["alg"] for key in keys} == {"ES256", "RS256"}
    assert len({key["kid"] for key in keys}) == len(keys)
    assert not any({"d", "p", "q", "dp", "dq", "qi", "k"} & set(key) for key in keys)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "max-age=900" in response.headers["Cache-Control"]


def test_an_unchanged_document_is_not_sent_twice(world: World) -> None:
    browser = world.browser()
    for path in ("/jwks", "/.well-known/openid-configuration"):
        etag = browser.get(path).headers["ETag"]
        again = browser.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.data) == (304, b"")


def test_health_and_readiness_and_metrics(world: World) -> None:
    browser = world.browser()
    assert browser.get("/healthz").json == {"status": "ok"}
    assert browser.get("/readyz").json == {"status": "ready", "database": "up", "short_lived": "up"}
    page = browser.get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"})
    assert "senid_requests_total" in page.text
    assert browser.get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 404
