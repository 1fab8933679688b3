"""The ways that a person walks, step by step, from a portal's button to a page that a test is about."""

from sandbox.people import PersonJson
from tests.browser.window import Window

NEW_PASSWORD = "Xe-Dap-7-Mau!"  # no part of it is a name, which a person of that name could not use
PICTURE_CODE = "sandbox"


# --- from a portal ----------------------------------------------------------------------------------------------------------------------


def leave_portal(window: Window, number: int = 1) -> None:
    """Press "sign in" on a portal."""
    window.open(window.live.portals[number - 1])
    window.press("#login")


def come_to_sign_in(window: Window, number: int = 1) -> str:
    """Come from a portal to the page that asks for ID number and password; gives the interaction."""
    leave_portal(window, number)
    return window.comes_to(r"/sign-in/([^/]+)/password")[1]


# --- registering ------------------------------------------------------------------------------------------------------------------------


def come_to_form(window: Window) -> None:
    """Come from portal 1 to the form of the registration by mobile subscription."""
    come_to_sign_in(window)
    window.press("#register")
    window.comes_to("/register/[^/]+")
    choose(window)


def choose(window: Window) -> None:
    """Choose to register as a citizen by mobile subscription."""
    window.page.locator("[name=subject][value=citizen]").check()
    window.page.locator("[name=method][value=mobile_subscriber]").check()
    window.submit()
    window.comes_to("/register/[^/]+/mobile-subscriber")


def applicant(person: PersonJson, **changes: str) -> dict[str, str]:
    """Give what the person types into the form."""
    fields = {name: person[name] for name in ("id_number", "full_name", "birth_date", "phone")}
    return {**fields, "captcha": PICTURE_CODE, **changes}


def come_to_code(window: Window, person: PersonJson, **changes: str) -> str:
    """Fill the form; gives the draft, whose page asks for the code."""
    come_to_form(window)
    window.submit(**applicant(person, **changes))
    return window.comes_to("/register/draft/([^/]+)/one-time-code")[1]


def type_code(window: Window, person: PersonJson, *, of: int = 1) -> None:
    """Type the code that the phone shows, once it has received so many."""
    window.submit(otp=window.live.last_code(person["phone"], of=of))


def register(window: Window, person: PersonJson) -> None:
    """Register to the end: the page that says so."""
    come_to_code(window, person)
    type_code(window, person)
    window.comes_to("/register/draft/[^/]+/password")
    window.submit(password=NEW_PASSWORD, password_confirm=NEW_PASSWORD)
    window.comes_to("/register/draft/[^/]+/success")


# --- signing in -------------------------------------------------------------------------------------------------------------------------


def type_password(window: Window, person: PersonJson, **changes: str) -> str:
    """Type ID number and password; gives the interaction, whose page asks for the code."""
    window.submit(**{"id_number": person["id_number"], "password": person["password"] or NEW_PASSWORD, **changes})
    return window.comes_to("/sign-in/([^/]+)/one-time-code")[1]


def sign_in(window: Window, person: PersonJson, number: int = 1) -> None:
    """Sign in to a portal for the first time there: the portal's page about the person."""
    come_to_sign_in(window, number)
    type_password(window, person)
    type_code(window, person)
    agree(window, number)


def agree(window: Window, number: int = 1) -> None:
    """Agree to what a portal receives, or take notice of it."""
    window.comes_to("/consent/[^/]+")
    window.submit()
    window.comes_to("/me", origin=window.live.portals[number - 1])
