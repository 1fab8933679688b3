"""Everything that has an end: how one comes by it, and whether it is still good. To ask may use it up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from joserfc.jwk import ECKey

from idp.config import Config
from idp.errors import CaptchaWrong, DraftMissing, InteractionMissing, OtpExpired, OtpWait, SlowDown, TooManyRequests
from idp.identity import phone_numbers
from idp.identity.one_time_codes import Purpose
from idp.values import new_secret, secret_hash
from tests.clocks.nodes import SECOND, Cluster
from tests.flows.portal.test_token import ASSERTION_TYPE, assertion
from tests.identity.people import applicant
from tests.world import REDIRECT_URI, VERIFIER, answer_of

IsGood = Callable[[], bool]
LASTING = "openid offline_access"
MAX_AGE = 100
# The database's time goes on while a test waits for the processor: so long before the end nobody has to be that quick.
OF_DATABASE = timedelta(seconds=20)
OF_ASSERTIONS = timedelta(seconds=61)  # whose end may be off by the skew that is allowed


@dataclass(frozen=True)
class Perishable:
    """One kind: `margin` before its end it has to be good, and at its end not any more."""

    make: Callable[[Cluster], IsGood]
    lifetime: Callable[[Config], timedelta]
    margin: timedelta = SECOND


def code(cluster: Cluster) -> IsGood:
    """Give an authorization code."""
    node, portal = cluster.right, cluster.portal()
    issued = node.world.code(node.signed_in(cluster.citizen().account_id), portal[0])
    return lambda: node.world.redeem(node.world.browser(), *portal, issued).status_code == 200


def spent_code(cluster: Cluster) -> IsGood:
    """Give a code that is spent: as long as it is remembered, its replay revokes what it gave."""
    node, portal = cluster.right, cluster.portal()
    issued = node.world.code(node.signed_in(cluster.citizen().account_id), portal[0], scope=LASTING)
    token = (node.world.redeem(node.world.browser(), *portal, issued).json or {})["refresh_token"]

    def revokes() -> bool:
        assert node.world.redeem(node.world.browser(), *portal, issued).status_code == 400
        return node.refresh(*portal, token)[0] == 400

    return revokes


def access_token(cluster: Cluster) -> IsGood:
    """Give an access token."""
    node, portal = cluster.right, cluster.portal()
    token = node.world.tokens(node.signed_in(cluster.citizen().account_id), *portal)["access_token"]
    return lambda: node.userinfo(token) == 200


def refresh_token(cluster: Cluster, scope: str = "openid") -> IsGood:
    """Give a refresh token."""
    node, portal = cluster.right, cluster.portal()
    token = node.world.tokens(node.signed_in(cluster.citizen().account_id), *portal, scope=scope)["refresh_token"]
    return lambda: node.refresh(*portal, token)[0] == 200


def session(cluster: Cluster) -> IsGood:
    """Give a session that nobody uses."""
    node = cluster.right
    browser = node.signed_in(cluster.citizen().account_id)
    return lambda: node.knows(browser)


def one_time_code(cluster: Cluster) -> IsGood:
    """Give a one-time code."""
    codes, citizen = cluster.right.services.one_time_codes, cluster.citizen()
    phone, owner = phone_numbers.parse(citizen.phone), citizen.account_id
    challenge = codes.send(Purpose.SIGN_IN, phone=phone, owner=owner, language="vi")
    sent = cluster.sms.last_code(phone.e164)

    def is_taken() -> bool:
        try:
            return codes.verify(challenge.id, sent, purpose=Purpose.SIGN_IN, owner=owner) == phone
        except OtpExpired:
            return False

    return is_taken


def wait_for_a_code(cluster: Cluster) -> IsGood:
    """Give the wait of a phone for its next code."""
    codes, citizen = cluster.right.services.one_time_codes, cluster.citizen()
    phone, owner = phone_numbers.parse(citizen.phone), citizen.account_id
    codes.send(Purpose.SIGN_IN, phone=phone, owner=owner, language="vi")
    return lambda: _raises(OtpWait, lambda: codes.send(Purpose.SIGN_IN, phone=phone, owner=owner, language="vi"))


def interaction(cluster: Cluster) -> IsGood:
    """Give an interaction."""
    interactions = cluster.right.services.interactions
    opened = interactions.open(None, browser_hash="browser", language="vi")
    return lambda: not _raises(InteractionMissing, lambda: interactions.get(opened.id, browser_hash="browser"))


def draft(cluster: Cluster) -> IsGood:
    """Give the draft of a registration."""
    drafts, browser_hash = cluster.right.services.drafts, secret_hash(new_secret())
    opened = drafts.open(applicant(phone=phone_numbers.parse(cluster.citizen().phone)), browser_hash=browser_hash, interaction_id=None)
    return lambda: not _raises(DraftMissing, lambda: drafts.get(opened.id, browser_hash=browser_hash))


def known_device(cluster: Cluster) -> IsGood:
    """Give a browser from which an account has signed in."""
    devices, account_id = cluster.right.services.known_devices, cluster.citizen().account_id
    token = devices.remember(account_id, None)
    return lambda: devices.is_known(account_id, token)


def picture_code(cluster: Cluster) -> IsGood:
    """Give a picture code."""
    captcha, store = cluster.right.services.captcha, cluster.right.services.store
    issued = captcha.issue()
    digits = str((store.get("captcha", issued) or {})["digits"])
    return lambda: not _raises(CaptchaWrong, lambda: captcha.check(issued, digits))


def window(cluster: Cluster) -> IsGood:
    """Give the window of a limit that is reached."""
    limits, key = cluster.right.services.rate_limits, new_secret()
    limits.hit("test", key, most=1, window=timedelta(minutes=1))
    return lambda: _raises(TooManyRequests, lambda: limits.hit("test", key, most=1, window=timedelta(minutes=1)))


def delay(cluster: Cluster) -> IsGood:
    """Give the delay behind too many wrong passwords."""
    guard, login, address = cluster.right.services.sign_in_guard, new_secret(), f"2001:db8:{cluster.citizen().phone[-4:]}::1"
    for _ in range(cluster.config.sign_in.free_tries):
        guard.check(login, address, known_device=False)
        guard.failed(login, address, known_device=False)
    return lambda: _raises(SlowDown, lambda: guard.check(login, address, known_device=False))


def signed_assertion(cluster: Cluster) -> IsGood:
    """Give a client assertion that was signed for a minute."""
    node, key = cluster.right, ECKey.generate_key("P-256", {"kid": "k1"})
    client, _ = cluster.portal(auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})
    now = int(node.clock.now().timestamp())
    signed, account_id = assertion(client, key, iat=now, nbf=now, exp=now + 60), cluster.citizen().account_id

    def is_accepted() -> bool:
        fresh = node.world.code(node.signed_in(account_id), client)
        form = {"grant_type": "authorization_code", "code": fresh, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        return node.world.browser().post("/token", data={**form, **proof}).status_code == 200

    return is_accepted


def recent_sign_in(cluster: Cluster) -> IsGood:
    """Give a sign-in that is young enough for a portal's `max_age`."""
    node, (client, _) = cluster.right, cluster.portal()
    account_id = cluster.citizen().account_id
    browser = node.signed_in(account_id)
    node.services.consents.record(account_id, client, client.scopes)
    return lambda: "code" in answer_of(node.world.authorize(browser, client, max_age=str(MAX_AGE), prompt="none"))


def _raises(error: type[Exception], call: Callable[[], object]) -> bool:
    try:
        call()
    except error:
        return True
    return False


PERISHABLES = {
    "code": Perishable(code, lambda config: config.tokens.code_lifetime),
    "spent code": Perishable(spent_code, lambda _config: timedelta(hours=24)),
    "access token": Perishable(access_token, lambda config: config.tokens.access_token_lifetime, OF_DATABASE),
    "refresh token": Perishable(refresh_token, lambda config: config.sessions.absolute_lifetime, OF_DATABASE),
    "lasting refresh token": Perishable(
        lambda cluster: refresh_token(cluster, LASTING), lambda config: config.tokens.refresh_token_lifetime, OF_DATABASE
    ),
    "session": Perishable(session, lambda config: config.sessions.idle_lifetime),
    "one-time code": Perishable(one_time_code, lambda config: config.one_time_codes.lifetime),
    "wait for a one-time code": Perishable(wait_for_a_code, lambda config: config.one_time_codes.resend_wait),
    "interaction": Perishable(interaction, lambda config: config.sessions.interaction_lifetime),
    "draft": Perishable(draft, lambda config: config.registration.draft_lifetime, OF_DATABASE),
    "known device": Perishable(known_device, lambda config: config.sign_in.known_device_lifetime),
    "picture code": Perishable(picture_code, lambda config: config.picture_code.lifetime),
    "window of a limit": Perishable(window, lambda _config: timedelta(minutes=1)),
    "delay after wrong passwords": Perishable(delay, lambda _config: timedelta(seconds=15)),
    "client assertion": Perishable(signed_assertion, lambda _config: timedelta(seconds=120), OF_ASSERTIONS),
    "max_age": Perishable(recent_sign_in, lambda _config: timedelta(seconds=MAX_AGE + 1)),
}
# Used once, these are over for good.
SINGLE_USE = ("code", "refresh token", "one-time code", "picture code", "client assertion")
# What Redis or the database ends, whatever the clocks of the nodes say.
OF_STORES = (
    "code",
    "spent code",
    "access token",
    "refresh token",
    "lasting refresh token",
    "interaction",
    "draft",
    "picture code",
    "window of a limit",
)
# What the time of the database ends, and nothing else.
OF_DATABASE_ALONE = ("access token", "refresh token", "lasting refresh token", "draft")
# What the clock of a node ends by itself, whatever the stores say.
OF_NODES = (
    "session",
    "one-time code",
    "wait for a one-time code",
    "known device",
    "delay after wrong passwords",
    "client assertion",
    "max_age",
)
# What lies in the short-lived store.
SHORT_LIVED = ("code", "session", "one-time code", "interaction", "picture code")
