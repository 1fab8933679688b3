"""Serves the gallery on loopback under the headers of the product: `python -m tests.edge.gallery [PORT]`."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from idp.edge.assets import Assets, find_folder
from idp.edge.pages import SECURITY_HEADERS, content_security_policy
from tests.edge.gallery import open_pages, states

_ASSETS = Assets(find_folder("static"))
_PAGES = dict(states(open_pages(_ASSETS)))
_POLICY = content_security_policy(("https://dichvucong.mau.vn",))


class Handler(BaseHTTPRequestHandler):
    """Answers `/<state>.<language>`, `/static/...`, and `/` with the list of states."""

    def do_GET(self) -> None:
        """Answer with a page, a static file or the list."""
        name = self.path.partition("?")[0].strip("/")
        file = _ASSETS.find_static(self.path)
        if file:
            self._answer(200, file.content_type, file.body)
        elif not name or name in _PAGES:
            links = "".join(f'<p><a href="/{state}">{state}</a></p>' for state in _PAGES)
            self._answer(200, "text/html; charset=utf-8", _PAGES.get(name, links).encode())
        else:
            self._answer(404, "text/plain", b"not found")

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        for header, value in (("Content-Type", content_type), ("Content-Security-Policy", _POLICY), *SECURITY_HEADERS):
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8499
    print(f"http://127.0.0.1:{port}/")  # noqa: T201 - a person started this by hand
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
