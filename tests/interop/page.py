"""What a person without scripts can do with a page: fill in its form, press its main button, follow a link."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

TYPED = {"text", "tel", "email", "password", "number"}


@dataclass
class Form:
    """A form: where it leads, what it holds already, and the names that one can type into."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)
    is_main: bool = False

    def filled(self, knows: dict[str, str]) -> dict[str, str]:
        """Give what is sent when a person types what they know."""
        return {**self.fields, **{name: knows[name] for name in self.typed if name in knows}}


class Page(HTMLParser):
    """The forms, the links with an id, and the errors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.errors: list[str] = []
        self._form: Form | None = None
        self.feed(text)
        self.close()

    @property
    def main_form(self) -> Form | None:
        """Give the form whose button is the page's main one."""
        return next((form for form in self.forms if form.is_main), None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag means."""
        given = {name: value or "" for name, value in attrs}
        if "data-error" in given:
            self.errors.append(given["data-error"])
        if tag == "a" and "id" in given:
            self.links[given["id"]] = given.get("href", "")
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get"))
            self.forms.append(self._form)
        if tag in {"input", "button"} and self._form is not None:
            _note(self._form, tag, given)

    def handle_endtag(self, tag: str) -> None:
        """Leave a form."""
        if tag == "form":
            self._form = None


def _note(form: Form, tag: str, given: dict[str, str]) -> None:
    name, value = given.get("name", ""), given.get("value", "")
    kind = given.get("type", "submit" if tag == "button" else "text")
    if kind == "submit":
        if given.get("id") != "submit":
            return
        form.is_main = True
    if not name or "disabled" in given or (kind in {"radio", "checkbox"} and "checked" not in given):
        return
    form.fields[name] = value
    if kind in TYPED:
        form.typed.append(name)
