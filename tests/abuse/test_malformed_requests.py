"""Requests malformed as a whole, at every endpoint and form: fields twice, bytes that are no text, bodies too large or of another type.

Whatever is refused leaves nothing behind: the good request of the same browser then works as if nothing had been.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.abuse.calls import FORM, Call, escaped
from tests.abuse.recipes import RECIPES, Recipe, Target, every_route, is_of_people
from tests.abuse.siege import Siege
from tests.abuse.stage import Stage

MULTIPART = "multipart/form-data; boundary=b"
MEGABYTE = 1_000_000
LONGEST_QUERY = 60_000  # the server refuses longer addresses by itself, which tests/abuse/test_on_the_wire.py shows


@every_route()
def test_each_field_twice(stage: Stage, recipe: Recipe) -> None:
    siege = Siege.lay(stage, recipe)
    call = siege.target.call
    for name, value in siege.target.fields:
        is_refused = siege.target.is_strict and bool(value)
        doubled = call.with_raw(f"{call.raw}&{escaped(name)}=another")
        siege.attack(f"{name} twice", doubled, is_refused=is_refused, goes_on=is_refused and name not in siege.target.used_up)
    assert siege.problems == []


@every_route()
def test_malformed_as_a_whole(stage: Stage, recipe: Recipe) -> None:
    siege = Siege.lay(stage, recipe)
    call, is_refused = siege.target.call, siege.target.is_strict
    most = MEGABYTE if call.body is not None else LONGEST_QUERY
    for label, addition in malformed(most, is_strict=is_refused):
        bad = call.with_raw(b"&".join(filter(None, (call.raw.encode("latin-1"), addition))))
        siege.attack(label, bad, is_refused=is_refused, goes_on=call.method == "POST")
    assert siege.problems == []


def malformed(most: int, *, is_strict: bool) -> Iterator[tuple[str, bytes]]:
    """Give what makes any request malformed, of up to `most` bytes, to be put behind good fields."""
    if is_strict:  # the query of a page has a test of its own
        yield "not UTF-8", b"x=\xff\xfe"
    yield "not UTF-8, encoded", b"x=%ff"
    yield "a name that is not UTF-8", b"%ff=x"
    yield "a NUL", b"x=a%00b"
    yield "300 fields", b"&".join(b"x%d=1" % number for number in range(300))
    yield f"{most} bytes in one field", b"x=" + b"y" * most
    yield f"{most} separators", b"&" * most


def test_query_of_a_page_with_bytes_that_are_no_text(stage: Stage) -> None:
    found = found_at_every(stage, "GET", lambda target: None if target.is_strict else target.call.with_raw(b"x=\xff\xfe"), is_refused=False)
    assert found == []


# --- the body -----------------------------------------------------------------------------------------------------------------------


@every_route("POST")
def test_bodies_of_other_types_and_lengths(stage: Stage, recipe: Recipe) -> None:
    siege = Siege.lay(stage, recipe)
    for label, bad in misdeclared(siege.target):
        siege.attack(label, bad, is_refused=bool(siege.target.required), goes_on=True)
    siege.attack("in chunks", replace(siege.target.call, length=None))
    siege.attack("as a form with a character set", replace(siege.target.call, content_type=f"{FORM}; charset=utf-16"))
    if not is_of_people(stage, siege.target.call.path):
        siege.attack("1 MB in chunks", endless(siege.target), is_refused=True, goes_on=True)
    assert siege.problems == []


def misdeclared(target: Target) -> Iterator[tuple[str, Call]]:
    """Give the good fields in bodies that are no form, or are cut off."""
    call = target.call
    json = b"{" + b",".join(f'"{name}":"{value}"'.encode() for name, value in target.fields) + b"}"
    yield "JSON", replace(call, body=json, content_type="application/json")
    yield "JSON that says it is a form", replace(call, body=json)
    yield "a form that says it is text", replace(call, content_type="text/plain")
    yield "a form that does not say what it is", replace(call, content_type=None)
    yield "UTF-16", replace(call, body=(call.body or b"").decode().encode("utf-16"))
    yield "a file in each field", replace(call, body=multipart(target, 'filename="x"'), content_type=MULTIPART)
    yield "a multipart body without a boundary", replace(call, body=multipart(target), content_type="multipart/form-data")
    yield "cut off", replace(call, length="1")
    yield "no body", replace(call, body=b"")


def endless(target: Target) -> Call:
    """Give the good fields at the beginning of a megabyte whose length nobody tells."""
    return replace(target.call, body=(target.call.body or b"") + b"&x=" + b"y" * MEGABYTE, length=None)


def test_endless_bodies_of_forms(stage: Stage) -> None:
    assert found_at_every(stage, "POST", lambda target: endless(target) if is_of_people(stage, target.call.path) else None) == []


def test_multipart_fields_twice(stage: Stage) -> None:
    assert found_at_every(stage, "POST", multipart_twice) == []


def multipart_twice(target: Target) -> Call:
    """Give the good fields as a browser sends files, the first one twice."""
    doubled = replace(target, fields=(*target.fields, (target.fields[0][0], "another")))
    return replace(target.call, body=multipart(doubled), content_type=MULTIPART)


def multipart(target: Target, more: str = "") -> bytes:
    """Give the fields as browsers send files."""
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"; {more}\r\n\r\n{value}\r\n' for name, value in target.fields]
    return "".join((*parts, "--b--\r\n")).encode()


def found_at_every(stage: Stage, prefix: str, make: Callable[[Target], Call | None], *, is_refused: bool = True) -> list[str]:
    """Attack every route whose name begins with `prefix`, where `make` has something to attack with."""
    found = []
    for name, recipe in RECIPES.all().items():
        siege = Siege.lay(stage, recipe)
        bad = make(siege.target) if name.startswith(prefix) else None
        if bad is not None:
            siege.attack(name, bad, is_refused=is_refused)
            found += siege.problems
    return found
