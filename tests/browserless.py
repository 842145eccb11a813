"""A test client that fills in forms as a browser without JavaScript does."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient


class Forms(HTMLParser):
    """Collects each form of a page: its action, method and the values a browser would send untouched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self._select: str | None = None
        self._textarea: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = dict(attrs)
        if tag == "form":
            self.forms.append({"action": got.get("action") or "", "method": (got.get("method") or "get").lower(), "fields": {}})
        elif self.forms:
            self._field(tag, got)

    def _field(self, tag: str, got: dict[str, str | None]) -> None:
        fields, name, value = self.forms[-1]["fields"], got.get("name") or "", got.get("value") or ""
        if tag == "input" and name and got.get("type") not in ("submit", "button", "file"):
            if got.get("type") not in ("checkbox", "radio") or "checked" in got:
                fields[name] = (got.get("value") or "on") if got.get("type") in ("checkbox", "radio") else value
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in got or self._select not in fields):
            fields[self._select] = value
        elif tag == "textarea":
            self._textarea = name
            fields[name] = ""

    def handle_data(self, text: str) -> None:
        if self._textarea:
            self.forms[-1]["fields"][self._textarea] += text

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None


class Browser(FlaskClient):
    """A Flask test client with `send_form`, `sign_in` and the last page's `csrf`."""

    csrf = ""

    def sign_in(self, email: str, password: str) -> Browser:
        """Sign in through the real form; this client. Fails when the answer is not a redirect."""
        answer = self.send_form("/sign-in", {"email": email, "password": password})
        assert answer.status_code == 303, answer.text
        return self

    def send_form(self, url: str, fields: dict[str, Any] | None = None, page: str | None = None, **options: Any) -> Any:
        """Open `page` (default: `url`), find the form that posts to `url`, and send it with `fields` changed.

        Values left alone go as the page shows them, hidden tokens included. A field given as None is not sent.
        The answer is not followed.
        """
        opened = self.get(page or url, follow_redirects=True)
        assert opened.status_code == 200, f"{page or url} answered {opened.status_code}"
        sent = self.form_values(opened.text, url, opened.request.path)
        self.csrf = sent.get("csrf_token", "")
        sent.update(fields or {})
        return self.post(url, data={name: value for name, value in sent.items() if value is not None}, **options)

    def form_values(self, text: str, url: str, page_path: str = "") -> dict[str, Any]:
        """What the page's form to `url` would send; fails when the page has no such form."""
        wanted = urlsplit(url).path
        for form in Forms(text).forms:
            if form["method"] == "post" and (urlsplit(form["action"]).path or page_path) == wanted:
                return dict(form["fields"])
        raise AssertionError(f"no form on {page_path} posts to {wanted}")
