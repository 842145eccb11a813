"""Who may import whom, how long a function may be, and which names say nothing."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = [ROOT / "app.py", *sorted((ROOT / "portal").rglob("*.py")), *sorted((ROOT / "tasks").rglob("*.py"))]

PLAIN = {"records", "errors", "config", "clock", "fields"}
PURE = {"mapping", "matching", "order_mapping", "feeds", "intake"}
NO_INPUT_OUTPUT = {"socket", "requests", "urllib.request", "http.client", "sqlite3", "psycopg", "peewee", "paramiko", "ftplib"}
BANNED = {
    "utils", "helpers", "common", "misc", "base", "core", "manager", "handler", "processor", "service", "engine", "data", "info", "lib",
}  # fmt: skip
OUR_TOPS = {"portal", "tasks"}
LONGEST_FUNCTION, LONGEST_FILE, MEDIAN_FUNCTION = 60, 400, 12

# layer -> the layers it may import; "domain" is every other module at the root of portal/
MAY_IMPORT = {
    "plain": {"plain"},
    "pure": {"plain", "pure"},
    "suppliers": {"plain", "suppliers"},
    "connectors": {"plain", "suppliers", "connectors"},
    "models": {"models"},
    "migrations": {"models", "migrations"},
    "domain": {"plain", "pure", "suppliers", "connectors", "models", "domain"},
    "tasks": {"plain", "models", "domain", "tasks"},
    "web": {"plain", "suppliers", "pure", "domain", "tasks", "web"},
    "root": {"plain", "models", "migrations", "suppliers", "connectors", "domain", "tasks", "web", "root"},
}
ROOT_MODULES = {
    "app",
    "portal",
    "portal.commands",
    "portal.feed_commands",
    "portal.supplier_commands",
    "portal.sending_commands",
    "portal.plan_commands",
    "portal.operation_commands",
    "portal.gunicorn_conf",
    "portal.billing_commands",
    "portal.support_commands",
    "portal.launcher",
    "portal.parts",
    "portal.demo_supplier",
}
EXCEPTIONS = {("models", "portal.clock"), ("web", "portal.feeds"), ("domain", "portal.migrations")}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def layer_of(module: str) -> str:
    top, noun = module.split(".")[0], module.split(".")[1] if "." in module else ""
    if module in ROOT_MODULES or module.startswith(("portal.commands.", "portal.demo_supplier.")):
        return "root"
    if top == "tasks":
        return "tasks"
    if noun in PLAIN:
        return "plain"
    if noun == "api":
        return "web"  # the same rules: it reads requests and renders answers
    if noun in PURE:
        return "pure"
    return noun if noun in MAY_IMPORT else "domain"


def imports_of(path: Path) -> set[str]:
    """Every module that the file imports, wherever in the file; imports for type checking only are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {id(node) for test in ast.walk(tree) if _is_type_checking(test) for node in ast.walk(test)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in MODULES else node.module for a in node.names}
    return found


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def functions_of(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [(node.name, node.end_lineno - node.lineno + 1) for node in ast.walk(tree) if isinstance(node, kinds) and node.end_lineno]


def crossings(path: Path) -> list[str]:
    """The imports of the file that its layer may not make."""
    module = module_of(path)
    layer, wrong = layer_of(module), []
    for name in imports_of(path):
        if name.split(".")[0] not in OUR_TOPS or (layer, name) in EXCEPTIONS:
            continue
        if layer_of(name) not in MAY_IMPORT[layer]:
            wrong.append(f"{module} ({layer}) imports {name} ({layer_of(name)})")
    return wrong


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_one_way(path):
    assert crossings(path) == []


TALKS_TO_ITS_PARENT = "portal.intake.child"  # over a pair of sockets; it gives up the network before it reads
QUIET = [path for path in FILES if layer_of(module_of(path)) in ("pure", "plain") and module_of(path) != TALKS_TO_ITS_PARENT]


@pytest.mark.parametrize("path", QUIET, ids=module_of)
def test_pure_modules_reach_no_network_and_no_database(path):
    assert not imports_of(path) & NO_INPUT_OUTPUT


@pytest.mark.parametrize(
    "path", [path for path in FILES if layer_of(module_of(path)) in ("domain", "models", "pure", "connectors")], ids=module_of
)
def test_the_domain_knows_neither_web_nor_queue(path):
    tops = {name.split(".")[0] for name in imports_of(path)}
    assert not tops & {"flask", "huey", "werkzeug", "wtforms", "jinja2", "htmx_flask"}


@pytest.mark.parametrize("path", [path for path in FILES if layer_of(module_of(path)) == "web"], ids=module_of)
def test_pages_never_touch_the_schema_or_a_connector(path):
    assert not [name for name in imports_of(path) if name.startswith(("portal.models", "portal.connectors", "peewee"))]


def test_names_say_something():
    names = {part for path in FILES for part in module_of(path).split(".")}
    classes = {node.name.lower() for path in FILES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)}
    assert not (names | classes) & BANNED


def test_functions_and_files_are_short():
    ours = [path for path in FILES if "migrations" not in path.parts]
    sizes = {f"{module_of(path)}.{name}": lines for path in ours for name, lines in functions_of(path)}
    assert {name: lines for name, lines in sizes.items() if lines > LONGEST_FUNCTION} == {}
    assert statistics.median(sizes.values()) < MEDIAN_FUNCTION
    assert {module_of(path): n for path in ours if (n := len(path.read_text().splitlines())) > LONGEST_FILE} == {}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_public_functions_say_what_they_do():
    silent = [
        f"{module_of(path)}.{node.name}"
        for path in FILES
        if "migrations" not in path.parts and layer_of(module_of(path)) in ("domain", "pure", "connectors", "suppliers")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_the_rules_can_fail(tmp_path, monkeypatch):
    bad = ROOT / "portal" / "feeds" / "sneaky.py"
    text = "from portal.models import Run\nimport socket\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert crossings(bad) == ["portal.feeds.sneaky (pure) imports portal.models (models)"]
    assert imports_of(bad) & NO_INPUT_OUTPUT
