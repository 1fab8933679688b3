"""What every page has to be, whoever looks at it and in whatever state: readable for axe, for a narrow screen and for large text."""

import re
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect

from tests.browser.window import LANGUAGE_COOKIE, Window

NARROW = {"width": 360, "height": 740}
ZOOMED = {"width": 320, "height": 370}  # a window of 640 px at 200 %, as the layout sees it
ROOMY = {"width": 640, "height": 740}
AXE = Axe()
AXE_OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],
}
OTHER = {"vi": "en", "en": "vi"}
# Words of the one language that no sentence of the other has, in what is not marked as being in that language.
FOREIGN = {
    "vi": re.compile(r"\b(the|your|please|and|with)\b", re.IGNORECASE),
    "en": re.compile(r"\b(của|không|vui lòng|quý vị|được)\b", re.IGNORECASE),
}

RUN_AXE = """async (options) => (await axe.run(document, options)).violations
    .map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join(" | ")}`)"""
LOOK = """() => {
    const seen = (element) => element.checkVisibility() && !element.classList.contains("sr-only");
    const main = document.querySelector("main");
    const words = [];
    const read = (element) => {
        for (const node of element.childNodes) {
            if (node.nodeType === Node.TEXT_NODE) words.push(node.textContent.trim());
            if (node.nodeType === Node.ELEMENT_NODE && !node.lang) read(node);
        }
    };
    read(document.body);
    return {
        language: document.documentElement.lang,
        title: document.title,
        headings: document.querySelectorAll("h1").length,
        submits: document.querySelectorAll("#submit").length,
        primaries: [...main.querySelectorAll(".primary")].filter(seen).map((element) => element.id),
        repeated: [...document.querySelectorAll("[id]")].map((element) => element.id).filter((id, at, all) => all.indexOf(id) !== at),
        errors: [...document.querySelectorAll("[data-error]")].filter((element) => element.getAttribute("role") !== "alert").length,
        words: words.filter(Boolean).join(" \\u2022 "),
        small: [...document.querySelectorAll("button, a.button, .cards a, input:not([type=hidden]), select")].filter(seen)
            .filter((element) => Math.min(element.getBoundingClientRect().height, element.getBoundingClientRect().width) < 44)
            .map((element) => element.outerHTML.slice(0, 120)),
    };
}"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
ENLARGE = """() => {
    const root = document.documentElement;
    root.style.setProperty("font-size", `${2 * parseFloat(getComputedStyle(root).fontSize)}px`);
}"""
SHRINK = "() => document.documentElement.style.removeProperty('font-size')"


@dataclass
class Inspector:
    """Looks at the page before a window, in both languages, and notes under which route it was seen."""

    window: Window
    routes: Map
    lane: tuple[str, ...]
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, state: str, error: str = "") -> None:
        """Inspect the page in the window, which tells `error`; one that answers a form is asked for again by the same form."""
        page = self.window.page
        route, language = self.route(), self._inspect(state, error)
        self.window.shot(f"{state.replace(' ', '-')}-{language}")
        self.window.set_cookie(LANGUAGE_COOKIE, OTHER[language])
        page.reload()
        assert self.route() == route, f"{state}: reloaded, the page became {page.url}"
        assert self._inspect(state, error) == OTHER[language], f"{state}: this page does not follow the language"
        self.seen.append((route, state))

    def route(self) -> str:
        """Give the rule that answers the page in the window."""
        path = self.window.page.url.removeprefix(self.window.live.provider).partition("?")[0]
        assert path.startswith("/"), f"{self.window.page.url} is not the provider's"
        found = next((rule for rule in self.lane if path == rule or (rule.endswith("/") and path.startswith(rule))), None)
        return found or _people_rule(self.routes, path)

    def _inspect(self, state: str, error: str) -> str:
        """Give the language of the page, in which nothing is wrong."""
        page = self.window.page
        if error:
            self.window.told(error)
        else:
            expect(page.locator("[data-error]")).to_have_count(0)
        facts = look(page)
        problems = [*facts.problems, *overflows(page), *self.window.complaints, *violations(page)]
        assert not problems, f"{page.url} ({state}, {facts.language}):\n" + "\n".join(problems)
        return facts.language


def _people_rule(routes: Map, path: str) -> str:
    adapter = routes.bind("localhost")
    for method in ("GET", "POST"):
        try:
            rule, _ = adapter.match(path, method=method, return_rule=True)
        except (HTTPException, RequestRedirect):
            continue
        return str(rule.rule)
    return "(none)"


@dataclass(frozen=True)
class Look:
    """The language of a page, and what is wrong with its structure and words."""

    language: str
    problems: list[str]


def look(page: Page) -> Look:
    """Look at the structure and the words of a page."""
    facts = page.evaluate(LOOK)
    return Look(facts["language"], _problems(facts))


def _problems(facts: dict[str, Any]) -> list[str]:
    foreign = FOREIGN[facts["language"]].search(facts["words"])
    checks = {
        f"{facts['headings']} headings of the first level": facts["headings"] == 1,
        f"{facts['submits']} elements with the id submit": facts["submits"] <= 1,
        f"the main button is not #submit: {facts['primaries']}": facts["primaries"] in ([], ["submit"]),
        f"ids that stand twice: {facts['repeated']}": not facts["repeated"],
        "an error text without role=alert": not facts["errors"],
        f"too small to press: {facts['small']}": not facts["small"],
        f"a word of another language: {foreign and facts['words'][max(foreign.start() - 60, 0) : foreign.end() + 60]}": not foreign,
    }
    return [problem for problem, is_well in checks.items() if not is_well]


def overflows(page: Page) -> list[str]:
    """Tell where one has to scroll sideways: at 360 px, at 200 % zoom, and with text of twice the size (WCAG 1.4.4 and 1.4.10)."""
    narrow = page.evaluate(OVERFLOW)
    page.set_viewport_size(ZOOMED)  # type: ignore[arg-type]
    zoomed = page.evaluate(OVERFLOW)
    page.set_viewport_size(ROOMY)  # type: ignore[arg-type]
    page.evaluate(ENLARGE)
    large = page.evaluate(OVERFLOW)
    page.evaluate(SHRINK)
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    found = {"at 360 px": narrow, "at 200 % zoom": zoomed, "with text of twice the size": large}
    return [f"{more} px too wide {where}" for where, more in found.items() if more > 0]


def violations(page: Page) -> list[str]:
    """Give what axe objects to."""
    page.evaluate(AXE.axe_script)
    return [str(violation) for violation in page.evaluate(RUN_AXE, AXE_OPTIONS)]
