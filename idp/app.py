"""The composition of the server, as a table of contents: which flow stands where, behind which protection."""

from collections.abc import Callable

import flask
from flask_sqlalchemy import SQLAlchemy
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from idp import errors, services
from idp.config import Config
from idp.edge import browser, health
from idp.edge.assets import STATIC_PREFIX, Assets, StaticFile, find_folder
from idp.edge.browser import Edge, Protection, register_flow
from idp.edge.cookies import Cookies
from idp.edge.error_responses import answered, shown_page
from idp.edge.messages import Request, Response
from idp.edge.oauth_server import OAuthServer
from idp.edge.pages import Pages
from idp.edge.software_lane import Handler, Route, SoftwareLane
from idp.flows import captcha, language
from idp.flows import help as help_pages
from idp.flows.account import home, sign_out
from idp.flows.portal.authorize import Authorize
from idp.flows.portal.discovery import Discovery
from idp.flows.portal.end_session import EndSession
from idp.flows.portal.introspection import Introspection
from idp.flows.portal.token import Token
from idp.flows.portal.userinfo import UserInfo
from idp.flows.register import choose, start
from idp.flows.register.mobile_subscriber import carrier_answer, carrier_match, draft, form, resume
from idp.flows.register.mobile_subscriber import one_time_code as register_one_time_code
from idp.flows.register.mobile_subscriber import password as register_password
from idp.flows.sign_in import consent, one_time_code, password, step_up
from idp.jobs.carrier_retry import CarrierRetry
from idp.jobs.clean_up import CleanUp
from idp.jobs.runner import Runner, Schedule
from idp.services import Services
from idp.storage import migrations
from idp.storage.db import Database, engine_options, prepare_engine

Adjust = Callable[[Services], Services]


def create_app(config: Config, *, adjust: Adjust | None = None, with_jobs: bool = True) -> SoftwareLane:
    """Build the WSGI callable. `adjust` may replace services, as the sandbox does; production refuses sandbox parts (`ConfigError`)."""
    app = flask.Flask(__name__, static_folder=None, template_folder=None)
    database = _open_database(app, config)
    migrations.upgrade(database)
    built = services.build(config, database)
    built = adjust(built) if adjust else built
    _refuse_sandbox_parts(built)
    built.signing_keys.ensure()
    cookies = Cookies(secure=config.secure_cookies)
    pages = Pages.open(config, built.clock)
    _mount_people(app, Edge(built, pages, cookies))
    if with_jobs:
        Runner(_schedules(built)).start()
    return SoftwareLane(
        _portal_routes(built, pages, cookies),
        fallback=app.wsgi_app,
        pages=pages,
        language_cookie=cookies.language,
        way_back=built.clients.way_back,
        trusted_proxies=config.server.trusted_proxies,
        is_tls=config.secure_cookies,
        people_at_once=config.server.people_at_once,
    )


def _portal_routes(built: Services, pages: Pages, cookies: Cookies) -> list[Route]:
    """List what software calls."""
    authorize = Authorize(built, pages, cookies)
    end_session = EndSession(built, cookies)
    discovery = Discovery.of(built.config, built.signing_keys)
    token = Token(OAuthServer(clients=built.clients, codes=built.authorization_codes, tokens=built.tokens))
    userinfo = UserInfo(built)
    return [
        Route("/authorize", _get_and_post(authorize.ask), for_people=True),
        Route("/authorize/", {"GET": authorize.resume, "POST": authorize.decline}, for_people=True),
        Route("/token", {"POST": token.answer}),
        Route("/introspect", {"POST": Introspection(built).answer}),
        Route("/userinfo", _get_and_post(userinfo.answer)),
        Route("/end_session", _get_and_post(end_session.ask), for_people=True),
        Route("/end_session/", {"GET": end_session.resume}, for_people=True),
        Route("/jwks", _document(discovery.jwks), is_open=True, is_logged=False),
        Route("/.well-known/openid-configuration", _document(discovery.show), is_open=True, is_logged=False),
        Route("/healthz", _document(lambda request: health.healthz(built, request)), is_logged=False),
        Route("/readyz", _document(lambda request: health.readyz(built, request)), is_logged=False),
        Route("/metrics", _document(lambda request: health.show_metrics(built, request)), is_logged=False),
        Route(STATIC_PREFIX, _document(_static_handler(Assets(find_folder("static")))), for_people=True, is_logged=False),
    ]


def _mount_people(app: flask.Flask, parts: Edge) -> None:
    """List what people walk, each flow beside its protection."""
    app.url_map.merge_slashes = False  # a redirect for doubled slashes would name the host that the request names
    app.extensions[browser.EXTENSION] = parts
    register_flow(app, home.flow, Protection.OPEN)
    register_flow(app, language.flow, Protection.OPEN)
    register_flow(app, help_pages.flow, Protection.OPEN)
    register_flow(app, captcha.flow, Protection.OPEN)
    register_flow(app, start.flow, Protection.OPEN)
    register_flow(app, choose.flow, Protection.INTERACTION)
    register_flow(app, form.flow, Protection.INTERACTION)
    register_flow(app, draft.flow, Protection.OPEN)
    register_flow(app, resume.flow, Protection.OPEN)
    register_flow(app, register_one_time_code.flow, Protection.OPEN)  # a draft is bound to its browser by itself
    register_flow(app, carrier_match.flow, Protection.OPEN)
    register_flow(app, carrier_answer.flow, Protection.OPEN)
    register_flow(app, register_password.flow, Protection.OPEN)
    register_flow(app, password.flow, Protection.INTERACTION)
    register_flow(app, one_time_code.flow, Protection.INTERACTION)
    register_flow(app, step_up.flow, Protection.INTERACTION)
    register_flow(app, consent.flow, Protection.INTERACTION)
    register_flow(app, sign_out.flow, Protection.OPEN)
    app.before_request(_note_route)
    app.before_request(browser.protect)
    app.after_request(browser.finish_response)
    app.register_error_handler(Exception, _answer_error)


def _note_route() -> None:
    """Tell the observer which rule answers; a path would tell it identifiers."""
    rule = flask.request.url_rule
    flask.request.environ["senid.route"] = rule.rule if rule else "(none)"


def _answer_error(error: Exception) -> flask.Response:
    """Render whatever a flow raised."""

    def work() -> Response:
        raise _known(error)

    pages = browser.edge().pages
    way_back = browser.services().clients.way_back
    response = answered(work, lambda shown: shown_page(pages, shown, browser.view(), back_href=way_back(shown)))
    return flask.Response(response.body, status=response.status, headers=list(response.headers))


def _known(error: Exception) -> Exception:
    """Give our error for one of the framework's."""
    if isinstance(error, NotFound):
        return errors.PageNotFound()
    if isinstance(error, MethodNotAllowed):
        return errors.PageMethodNotAllowed()
    return errors.BadRequest(type(error).__name__) if isinstance(error, HTTPException) else error


def _open_database(app: flask.Flask, config: Config) -> Database:
    """Make the Flask-SQLAlchemy object and hand its engine to storage, which knows SQLAlchemy only."""
    url = config.database.url.get_secret_value()
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url, pool_size=config.database.pool_size)
    sqlalchemy = SQLAlchemy(app)
    with app.app_context():
        engine = sqlalchemy.engine
    prepare_engine(engine)
    return Database(engine)


def _refuse_sandbox_parts(built: Services) -> None:
    parts = built.sandbox_parts()
    if parts and built.config.mode != "sandbox":
        raise errors.ConfigError([f"{part}: a sandbox part is refused in production mode" for part in parts])


def _schedules(built: Services) -> list[Schedule]:
    return [
        Schedule("carrier_retry", CarrierRetry(built).run_once, every_seconds=2.0),
        Schedule("clean_up", CleanUp(built).run_once, every_seconds=600.0),
    ]


def _get_and_post(handler: Handler) -> dict[str, Handler]:
    return {"GET": handler, "POST": handler}


def _document(handler: Handler) -> dict[str, Handler]:
    """Serve HEAD too, where a GET changes nothing."""
    return {"GET": handler, "HEAD": handler}


def _static_handler(assets: Assets) -> Handler:
    def show(request: Request) -> Response:
        found = assets.find_static(request.path)
        if found is None:
            raise errors.PageNotFound
        headers = (("Content-Type", found.content_type), ("Cache-Control", StaticFile.CACHE_CONTROL))
        return Response(200, headers, found.body)

    return show
