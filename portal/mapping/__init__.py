"""A mapping turns rows into our fields: rules JSON ─▶ compile once ─▶ one function a feed. Pure."""

from __future__ import annotations

from portal.mapping.compiling import Mapper, Values, compile_rules, content_hash
from portal.mapping.counts import LEFT_OUT, SET_ASIDE, Failure, Tally, sentences, tally
from portal.mapping.generating import Take, compile_batches, copy_line
from portal.mapping.rules import DUPLICATES, check_rules, needed_columns
from portal.mapping.transforms import TRANSFORMS, Parameter, Transform

__all__ = [
    "DUPLICATES", "LEFT_OUT", "SET_ASIDE", "TRANSFORMS",
    "Failure", "Mapper", "Parameter", "Take", "Tally", "Transform", "Values",
    "check_rules", "compile_batches", "compile_rules", "content_hash", "copy_line", "needed_columns", "sentences", "tally",
]  # fmt: skip
