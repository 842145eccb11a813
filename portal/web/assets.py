"""Style sheets, scripts, fonts and icons: ours and those of installed packages, under addresses that never change content.

Package folder or static/ ─▶ read once at start ─▶ /assets/<bundle>-<version>/<name>, kept by browsers for a year.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, request, url_for

blueprint = Blueprint("assets", __name__)

# module, distribution, folder inside the module, {name on the page: file}
PACKAGES = {
    "bootstrap": ("flask_bootstrap", "bootstrap-flask", "static/bootstrap5/css", ("bootstrap.min.css",)),
    "htmx": ("js_lib_htmx", "django-js-lib-htmx", "static/htmx", ("htmx.min.js",)),
    "atkinson": (
        "fontpkg_atkinson_hyperlegible",
        "fontpkg-atkinson-hyperlegible",
        "files",
        ("AtkinsonHyperlegible-Regular.ttf", "AtkinsonHyperlegible-Bold.ttf"),
    ),
}
OURS = ("theme.css", "focus.js", "copy.js", "passkeys.js", "picks.js", "icons.svg", "favicon.svg")
TYPES = {".ttf": "font/ttf", ".js": "text/javascript", ".svg": "image/svg+xml", ".css": "text/css"}
FOREVER = "public, max-age=31536000, immutable"
FONT_FACE = '@font-face{{font-family:"Hyper";src:url({url}) format("truetype");font-weight:{weight};font-display:swap}}\n'


@dataclass(frozen=True)
class Asset:
    """One file as it is sent, plain and gzipped."""

    content: bytes
    packed: bytes
    kind: str


def install(app: Flask, static: Path) -> None:
    """Read every asset and serve it; templates call `asset("theme.css")`."""
    paths: dict[str, str] = {}
    shelf: dict[str, Asset] = {}
    for bundle, (module, distribution, folder, names) in PACKAGES.items():
        for name in names:
            _add(shelf, paths, f"{bundle}-{version(distribution)}", name, (_folder(module) / folder / name).read_bytes())
    with app.test_request_context():
        app.register_blueprint(blueprint)
        _add_own(shelf, paths, static)
    app.extensions["assets"] = {"paths": paths, "shelf": shelf}
    app.jinja_env.globals["asset"] = address


def address(name: str) -> str:
    """The address of the asset called `name`. Raises KeyError for one that does not exist."""
    return str(url_for("assets.show", path=current_app.extensions["assets"]["paths"][name]))


@blueprint.get("/assets/<path:path>")
def show(path: str) -> Response:
    """One asset; only those read at start can be asked for, so no path reaches the disk."""
    asset = current_app.extensions["assets"]["shelf"].get(path)
    if asset is None:
        abort(404)
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    response = Response(asset.packed if packed else asset.content, mimetype=asset.kind)
    response.headers["Cache-Control"] = FOREVER
    response.vary.add("Accept-Encoding")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


show.is_public = True  # type: ignore[attr-defined]


def _add_own(shelf: dict[str, Asset], paths: dict[str, str], static: Path) -> None:
    files = {name: (static / name).read_bytes() for name in OURS}
    regular, bold = (url_for("assets.show", path=paths[name]) for name in PACKAGES["atkinson"][3])
    fonts = FONT_FACE.format(url=regular, weight="200 500") + FONT_FACE.format(url=bold, weight="501 800")
    files["fonts.css"] = fonts.encode()
    stamp = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()[:12]
    for name, content in files.items():
        _add(shelf, paths, f"quayside-{stamp}", name, content)


def _add(shelf: dict[str, Asset], paths: dict[str, str], bundle: str, name: str, content: bytes) -> None:
    kind = TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    paths[name] = f"{bundle}/{name}"
    shelf[paths[name]] = Asset(content, _packed(content), kind)


@cache
def _packed(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _folder(module: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"The package that brings {module} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))
