"""Which blocks of the code that reads feeds a file reaches: modules are instrumented while they are imported, a byte a block.

Import it and call `watch()` before anything of `portal` is imported.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

WATCHED = ("portal.feeds", "portal.mapping", "portal.matching", "portal.intake")
MOST_BLOCKS = 50_000


class Blocks:
    """A byte for each block that was met; `names` tells where each begins."""

    def __init__(self) -> None:
        self.hits = bytearray(MOST_BLOCKS)
        self.names: list[str] = []

    def take(self) -> frozenset[int]:
        """The blocks that were reached since the last time."""
        found = frozenset(n for n, hit in enumerate(self.hits[: len(self.names)]) if hit)
        self.hits[:] = bytes(MOST_BLOCKS)
        return found

    def instrumented(self, source: str, name: str) -> Any:
        """The code of a module that marks each block it reaches; it needs `_blocks` among its names."""
        tree = _Marking(self, name).visit(ast.parse(source))
        return compile(ast.fix_missing_locations(tree), f"<{name}>", "exec", dont_inherit=True)


class _Marking(ast.NodeTransformer):
    """Puts `_blocks[n] = 1` at the beginning of every function, branch, loop and handler."""

    def __init__(self, blocks: Blocks, name: str) -> None:
        self.blocks, self.name = blocks, name

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.FunctionDef | ast.If | ast.For | ast.While | ast.ExceptHandler | ast.With):
            self._mark(node.body, node)
        if isinstance(node, ast.If | ast.For | ast.While | ast.Try) and node.orelse:
            self._mark(node.orelse, node)
        if isinstance(node, ast.If) and not node.orelse:
            node.orelse = [self._statement(node)]
        return node

    def _mark(self, body: list[ast.stmt], node: ast.AST) -> None:
        has_words = isinstance(node, ast.FunctionDef) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        body.insert(1 if has_words else 0, self._statement(node))

    def _statement(self, node: Any) -> ast.stmt:
        self.blocks.names.append(f"{self.name}:{node.lineno}")
        return ast.copy_location(ast.parse(f"_blocks[{len(self.blocks.names) - 1}] = 1").body[0], node)


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module instrumented."""

    blocks: Blocks

    def exec_module(self, module: ModuleType) -> None:
        source = self.get_source(module.__name__) or ""
        vars(module)["_blocks"] = self.blocks.hits
        exec(self.blocks.instrumented(source, module.__name__), vars(module))


class _Finder(MetaPathFinder):
    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if not name.startswith(WATCHED):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(name, str(spec.origin))
            spec.loader.blocks = self.blocks
        return spec


def watch() -> Blocks:
    """Instrument what is imported from now on."""
    assert not any(name.startswith(WATCHED) for name in sys.modules), "imported too early"
    blocks = Blocks()
    sys.meta_path.insert(0, _Finder(blocks))
    return blocks
