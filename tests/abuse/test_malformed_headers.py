"""Bad headers, cookies, methods and paths at every route."""

from collections.abc import Iterator
from dataclasses import replace

from tests.abuse.calls import Call, as_path
from tests.abuse.recipes import RECIPES, Recipe, every_route
from tests.abuse.siege import Siege
from tests.abuse.stage import Stage

LONG = "x" * 8192
BYTES = "\xff\xfe\x80"  # as servers hand over bytes that are no text (PEP 3333): one character for each
METHODS = ("HEAD", "OPTIONS", "PUT", "TRACE", "get", "X" * 300)
PATHS = (LONG, BYTES, "a\0b", "../../etc/passwd", "<script>alert(1)</script>", "a\r\nSet-Cookie: x=1")
OUR_COOKIES = ("senid_browser", "senid_session", "senid_device", "senid_language")


@every_route()
def test_headers(stage: Stage, recipe: Recipe) -> None:
    siege = Siege.lay(stage, recipe)
    for bad in headers():
        siege.attack(str(bad)[:60], replace(siege.target.call, headers={**siege.target.call.headers, **bad}))
    assert siege.problems == []


def headers() -> Iterator[dict[str, str]]:
    """Give bad values of every header that is read, and of some that are not."""
    read = ("Accept-Language", "Authorization", "X-Forwarded-For", "Origin", "Sec-Fetch-Site", "If-None-Match", "Host")
    yield from (dict.fromkeys(read, value) for value in ("", LONG, BYTES, "a\0b"))
    yield {"Accept-Language": ", ".join(["vi;q=0.1"] * 2000), "Authorization": "Basic " + "Og==" * 3000, "Origin": "null"}
    yield {"Accept-Language": ",;=,,;q=,*;q=x,en;q=" + "9" * 5000, "Authorization": "Bearer " + BYTES, "Host": "evil.example"}
    yield {"X-Forwarded-For": "127.0.0.1, ::1%eth0, 999.1.1.1", "X-HTTP-Method-Override": "DELETE", "Content-Encoding": "gzip"}


@every_route()
def test_cookies(stage: Stage, recipe: Recipe) -> None:
    siege = Siege.lay(stage, recipe)
    ours = {*OUR_COOKIES, *siege.target.jar}
    for value in ("", LONG, '"a\\"b', "a%00b"):
        siege.attack(f"all are {value[:20]!r}", siege.target.call, jar=dict.fromkeys(ours, value))
    for name in siege.target.jar:
        siege.attack(f"{name} is another", siege.target.call, jar={**siege.target.jar, name: "x" * 43})
    for raw in ("=;=;=", "$Version=1; x", "; ".join(["a=b"] * 3000), "\0"):
        siege.attack(f"Cookie: {raw[:30]!r}", with_cookies(siege, raw), jar={})
    assert siege.problems == []


def test_cookies_with_bytes_that_are_no_text(stage: Stage) -> None:
    found = []
    for name, recipe in RECIPES.all().items():
        siege = Siege.lay(stage, recipe)
        siege.attack(name, with_cookies(siege, f"other={BYTES}; senid_language={BYTES}; senid_session={BYTES}"), jar={})
        found += siege.problems
    assert found == []


def with_cookies(siege: Siege, raw: str) -> Call:
    """Give the good request with another `Cookie` header."""
    return replace(siege.target.call, headers={**siege.target.call.headers, "Cookie": raw})


@every_route()
def test_methods(stage: Stage, recipe: Recipe) -> None:
    siege = Siege.lay(stage, recipe)
    for method in METHODS:
        answer = siege.attack(method, replace(siege.target.call, method=method))
        assert method != "HEAD" or answer.body == b""
    assert siege.problems == []


@every_route("GET")
def test_paths(stage: Stage, recipe: Recipe) -> None:
    siege = Siege.lay(stage, recipe)
    path = siege.target.call.path
    for junk in PATHS:
        for place in dict.fromkeys((f"{path.rpartition('/')[0]}/{junk}", f"{path}/{junk}", with_second_part(path, junk))):
            siege.attack(f"{place[:60]!r}", replace(siege.target.call, path=place))
    assert siege.problems == []


def with_second_part(path: str, junk: str) -> str:
    """Give the path with junk where its identifier stands, if it has one in the middle."""
    first, *rest = path.removeprefix("/").split("/")
    return "/".join(("", first, junk, *rest[1:])) if len(rest) > 1 else path


def test_paths_that_nobody_has(stage: Stage) -> None:
    siege = Siege.lay(stage, RECIPES.all()["GET /"])
    for path in ("/nowhere", "//evil.example/", "/\\evil.example", "/.env", "/authorize//evil.example", as_path("/đăng-ký"), "*"):
        answer = siege.attack(repr(path), Call("GET", path), jar={})
        assert answer.status in {400, 404}, path
    assert siege.problems == []


def test_doubled_slashes_lead_nowhere(stage: Stage) -> None:
    """A path that is not quite ours is no reason to send anybody to whatever host the request names."""
    found = []
    for name, recipe in RECIPES.all().items():
        siege = Siege.lay(stage, recipe)
        path = siege.target.call.path
        for doubled in dict.fromkeys((path.replace("/", "//"), f"/{path[1:].replace('/', '//', 1)}", f"{path}//")):
            call = replace(siege.target.call, path=doubled, headers={**siege.target.call.headers, "Host": "evil.example"})
            siege.attack(f"{name} at {doubled}", call)
        found += siege.problems
    assert found == []
