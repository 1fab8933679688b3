"""Every error of the product, by audience: shown to a person, returned to the portal, or answered as JSON.

The class chooses the audience and `idp.edge.error_responses` renders it. `code` is stable: it stands in pages (`data-error`), logs and
`docs/errors.md`, which is generated from this file. `detail` is for the log alone and holds no personal datum and no secret.
"""

from collections.abc import Iterator
from typing import ClassVar


class SenidError(Exception):
    """An error with a stable code; `values` fill the placeholders of its text."""

    code: ClassVar[str]
    status: ClassVar[int] = 400

    def __init__(self, detail: str = "", **values: object) -> None:
        """Take the `detail` for the log and the `values` for the text."""
        super().__init__(detail or self.code)
        self.detail = detail
        self.values = values

    @property
    def retry_after_seconds(self) -> int | None:
        """Give the wait to announce in `Retry-After`, where the error names one."""
        wait = self.values.get("retry_after_seconds")
        return wait if isinstance(wait, int) else None


# --- Shown to a person -------------------------------------------------------------------------------------------------------------


class ShownError(SenidError):
    """Shown to a person as a page, or inside the form that caused it, in Vietnamese or English."""

    @property
    def message_key(self) -> str:
        """Give the key of the text in `locales/`."""
        return f"errors.{self.code}"


class BadRequest(ShownError):
    """A malformed request from a browser."""

    code = "bad_request"


class PageNotFound(ShownError):
    """No such page."""

    code = "page_not_found"
    status = 404


class PageMethodNotAllowed(ShownError):
    """The page exists, not with this method."""

    code = "page_method_not_allowed"
    status = 405


class TooLarge(ShownError):
    """A body or a field over its limit."""

    code = "too_large"
    status = 413


class UnknownClient(ShownError):
    """An authorization request names no registered client, or a disabled one; there is nowhere safe to return to."""

    code = "unknown_client"


class InvalidRedirectUri(ShownError):
    """The `redirect_uri` is missing or not exactly a registered one (RFC 9700 4.1.3): never redirect."""

    code = "invalid_redirect_uri"


class InvalidLogoutRequest(ShownError):
    """A logout request with a hint or an address that does not hold."""

    code = "invalid_logout_request"


class InteractionMissing(ShownError):
    """The interaction expired, ended, or never was."""

    code = "interaction_missing"
    status = 410


class InteractionElsewhere(ShownError):
    """The interaction was opened in another browser."""

    code = "interaction_elsewhere"
    status = 403


class CookieMissing(ShownError):
    """The browser did not send our cookie back."""

    code = "cookie_missing"


class FormExpired(ShownError):
    """The form's anti-forgery token does not belong to this browser."""

    code = "form_expired"
    status = 403


class CrossSite(ShownError):
    """A form was posted from another site."""

    code = "cross_site"
    status = 403


class SignInRequired(ShownError):
    """The page needs a signed-in person."""

    code = "sign_in_required"
    status = 401


class StepOutOfOrder(ShownError):
    """The step is not due: a stale tab, the back button or a double submit."""

    code = "step_out_of_order"
    status = 409


class TooManyRequests(ShownError):
    """A limit was reached; `retry_after_seconds` says how long to wait."""

    code = "too_many_requests"
    status = 429


class Unavailable(ShownError):
    """A part that we depend on is away."""

    code = "unavailable"
    status = 503


class SmsUnavailable(ShownError):
    """No gateway took the text message."""

    code = "sms_unavailable"
    status = 503


class InternalError(ShownError):
    """A defect of ours; the page gives the request id as support code."""

    code = "internal_error"
    status = 500


class FieldError(ShownError):
    """Bad input in one field of a form; the form is shown again with what was typed."""

    status = 422
    default_field: ClassVar[str] = ""

    def __init__(self, detail: str = "", *, field: str | None = None, **values: object) -> None:
        """Take the name of the form `field`; without it the class's own."""
        super().__init__(detail, **values)
        self.field = field or self.default_field


class Required(FieldError):
    """A required field is empty."""

    code = "required"


class TooLong(FieldError):
    """A field is longer than it may be."""

    code = "too_long"


class InvalidChoice(FieldError):
    """A value that the form does not offer."""

    code = "invalid_choice"


class InvalidIdNumber(FieldError):
    """Not 12 digits, nor 9 where policy accepts the old card."""

    code = "id_number_format"
    default_field = "id_number"


class OldIdNumber(FieldError):
    """A 9-digit number where policy asks for the 12-digit one."""

    code = "id_number_old"
    default_field = "id_number"


class InvalidFullName(FieldError):
    """Not a person's name."""

    code = "full_name_format"
    default_field = "full_name"


class InvalidBirthDate(FieldError):
    """Not `dd/mm/yyyy` or `yyyy`, or not a date that a living person can have."""

    code = "birth_date_format"
    default_field = "birth_date"


class BirthDateDisagrees(FieldError):
    """The year differs from the one inside the identity number: please check, a second submit of the same goes on."""

    code = "birth_date_disagrees"
    default_field = "birth_date"


class InvalidPhone(FieldError):
    """Not a Vietnamese mobile number."""

    code = "phone_format"
    default_field = "phone"


class InvalidEmail(FieldError):
    """Not an e-mail address."""

    code = "email_format"
    default_field = "email"


class CaptchaWrong(FieldError):
    """The picture code is wrong, used or expired."""

    code = "captcha_wrong"
    default_field = "captcha"


class CredentialsWrong(FieldError):
    """Wrong number or password; the same for an account that does not exist."""

    code = "credentials_wrong"
    default_field = "id_number"


class SlowDown(FieldError):
    """Too many wrong tries; `minutes` to wait. The same for an account that does not exist."""

    code = "slow_down"
    status = 429
    default_field = "id_number"


class AccountLocked(FieldError):
    """The account is locked by an operator; told only to whoever has proven the password."""

    code = "account_locked"
    status = 403
    default_field = "id_number"


class OtpWrong(FieldError):
    """A wrong one-time code; `left` tries remain."""

    code = "otp_wrong"
    default_field = "otp"


class OtpExpired(FieldError):
    """The one-time code is over its lifetime, used, or was sent for another purpose."""

    code = "otp_expired"
    default_field = "otp"


class OtpVoid(FieldError):
    """Too many wrong tries: the code is void."""

    code = "otp_void"
    default_field = "otp"


class OtpWait(FieldError):
    """A new code may be sent only after `seconds`."""

    code = "otp_wait"
    status = 429
    default_field = "otp"


class OtpBudgetSpent(FieldError):
    """The day's budget of codes or tries for this account or phone is spent."""

    code = "otp_budget_spent"
    status = 429
    default_field = "otp"


class PasswordRule(FieldError):
    """The password lacks `minimum` characters or one of the four classes."""

    code = "password_rule"
    default_field = "password"


class PasswordKnown(FieldError):
    """The password is on the list of known-bad ones, or holds the person's own number, name or phone."""

    code = "password_known"
    default_field = "password"


class PasswordsDiffer(FieldError):
    """The two passwords differ."""

    code = "passwords_differ"
    default_field = "password_confirm"


class DraftMissing(ShownError):
    """The registration draft expired, ended, or belongs to another browser."""

    code = "draft_missing"
    status = 410


class PhoneCap(ShownError):
    """The phone already serves as many accounts as policy allows."""

    code = "phone_cap"
    status = 409


class AccountExists(ShownError):
    """The identity number already has an account; shown only after the carrier matched the person."""

    code = "account_exists"
    status = 409


class CarrierRefused(ShownError):
    """The carrier's register does not confirm the person; `reason` is the verdict."""

    code = "carrier_refused"
    status = 409


class CarrierAsksSpent(ShownError):
    """The day's questions to the carrier about this phone are spent."""

    code = "carrier_asks_spent"
    status = 429


# --- Returned to the portal by redirect (RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6) -----------------------------------------------


class ReturnedError(SenidError):
    """Returned to a proven `redirect_uri` with `state` and `iss`; `description` is ASCII."""

    oauth_error: ClassVar[str]
    default_description: ClassVar[str] = ""

    def __init__(self, description: str = "", *, detail: str = "") -> None:
        """Take the ASCII `description` for the portal's developers and the `detail` for the log."""
        super().__init__(detail or description)
        self.description = description or self.default_description


class ReturnedInvalidRequest(ReturnedError):
    """A parameter is missing, repeated or malformed."""

    code = "returned_invalid_request"
    oauth_error = "invalid_request"


class ReturnedUnsupportedResponseType(ReturnedError):
    """Only `response_type=code` is served."""

    code = "returned_unsupported_response_type"
    oauth_error = "unsupported_response_type"
    default_description = "only response_type=code is supported"


class ReturnedInvalidScope(ReturnedError):
    """A scope that is unknown, malformed, or not allowed to this client."""

    code = "returned_invalid_scope"
    oauth_error = "invalid_scope"


class RequestNotSupported(ReturnedError):
    """The `request` parameter is not served."""

    code = "request_not_supported"
    oauth_error = "request_not_supported"
    default_description = "the request parameter is not supported"


class RequestUriNotSupported(ReturnedError):
    """The `request_uri` parameter is not served."""

    code = "request_uri_not_supported"
    oauth_error = "request_uri_not_supported"
    default_description = "the request_uri parameter is not supported"


class RegistrationNotSupported(ReturnedError):
    """The `registration` parameter is not served."""

    code = "registration_not_supported"
    oauth_error = "registration_not_supported"
    default_description = "the registration parameter is not supported"


class LoginRequired(ReturnedError):
    """`prompt=none` and nobody is signed in, or not recently enough, or somebody else."""

    code = "login_required"
    oauth_error = "login_required"
    default_description = "the end user has to sign in"


class ConsentRequired(ReturnedError):
    """`prompt=none` and consent is missing."""

    code = "consent_required"
    oauth_error = "consent_required"
    default_description = "the end user has to consent"


class AccessDenied(ReturnedError):
    """The person declined."""

    code = "access_denied"
    oauth_error = "access_denied"
    default_description = "the end user declined"


class UnmetAuthenticationRequirements(ReturnedError):
    """The level that is asked for cannot be reached (OpenID Connect Core Unmet Authentication Requirements 1.0)."""

    code = "unmet_authentication_requirements"
    oauth_error = "unmet_authentication_requirements"
    default_description = "the required assurance level was not reached"


# --- Answered as JSON to software (RFC 6749 5.2, RFC 6750 3.1) ------------------------------------------------------------------------


class JsonError(SenidError):
    """Answered as JSON to a portal's software; `description` is ASCII."""

    oauth_error: ClassVar[str]
    default_description: ClassVar[str] = ""

    def __init__(self, description: str = "", *, detail: str = "", **values: object) -> None:
        """Take the ASCII `description` for the portal's developers and the `detail` for the log."""
        super().__init__(detail or description, **values)
        self.description = description or self.default_description


class InvalidRequest(JsonError):
    """A parameter is missing, repeated or malformed."""

    code = "invalid_request"
    oauth_error = "invalid_request"


class InvalidClient(JsonError):
    """Client authentication failed; one text for an unknown client and a wrong secret."""

    code = "invalid_client"
    oauth_error = "invalid_client"
    status = 401
    default_description = "client authentication failed"


class InvalidGrant(JsonError):
    """The code or refresh token is unknown, used, expired, revoked, or somebody else's."""

    code = "invalid_grant"
    oauth_error = "invalid_grant"
    default_description = "the grant is invalid, expired or revoked"


class UnauthorizedClient(JsonError):
    """The client may not use this grant type."""

    code = "unauthorized_client"
    oauth_error = "unauthorized_client"


class UnsupportedGrantType(JsonError):
    """A grant type that is not served."""

    code = "unsupported_grant_type"
    oauth_error = "unsupported_grant_type"


class InvalidScope(JsonError):
    """A scope beyond what was granted."""

    code = "invalid_scope"
    oauth_error = "invalid_scope"


class InvalidToken(JsonError):
    """The access token is unknown, expired or revoked (RFC 6750 3.1)."""

    code = "invalid_token"
    oauth_error = "invalid_token"
    status = 401
    default_description = "the access token is invalid, expired or revoked"


class EndpointNotFound(JsonError):
    """No such endpoint."""

    code = "endpoint_not_found"
    oauth_error = "invalid_request"
    status = 404


class MethodNotAllowed(JsonError):
    """The endpoint exists, not with this method; `allow` lists the ones that do."""

    code = "method_not_allowed"
    oauth_error = "invalid_request"
    status = 405


class BodyTooLarge(JsonError):
    """The body is over its limit."""

    code = "body_too_large"
    oauth_error = "invalid_request"
    status = 413


class TemporarilyUnavailable(JsonError):
    """A part that the answer depends on is away."""

    code = "temporarily_unavailable"
    oauth_error = "temporarily_unavailable"
    status = 503
    default_description = "the service is temporarily unavailable"


class ServerError(JsonError):
    """A defect of ours."""

    code = "server_error"
    oauth_error = "server_error"
    status = 500
    default_description = "an internal error occurred"


# --- Never leaves the process as it is -----------------------------------------------------------------------------------------------


class StoreUnavailable(SenidError):
    """The short-lived store or the database is away; rendered as 503 for the audience of the request, never as "yes"."""

    code = "store_unavailable"
    status = 503


class ConfigError(SenidError):
    """The configuration cannot be used; `problems` name each key. The server does not start."""

    code = "config_error"
    status = 500

    def __init__(self, problems: list[str]) -> None:
        """Take one line a problem."""
        super().__init__("\n".join(problems))
        self.problems = problems


def catalogue() -> Iterator[type[SenidError]]:
    """Give every concrete error class, in the order of this file."""
    waiting: list[type[SenidError]] = [SenidError]
    while waiting:
        cls = waiting.pop(0)
        if "code" in cls.__dict__:
            yield cls
        waiting[:0] = cls.__subclasses__()
