"""A mapping turns rows into our fields: rules JSON ─▶ compile once ─▶ one function a feed. Pure."""

from __future__ import annotations

from portal.mapping.compiling import Mapper, Values, compile_rules, content_hash
from portal.mapping.counts import LEFT_OUT, SET_ASIDE, Failure, Tally, sentences, tally
from portal.mapping.rules import DUPLICATES, check_rules, needed_columns
from portal.mapping.transforms import TRANSFORMS, Parameter, Transform

__all__ = [
    "DUPLICATES", "LEFT_OUT", "SET_ASIDE", "TRANSFORMS",
    "Failure", "Mapper", "Parameter", "Tally", "Transform", "Values",
    "check_rules", "compile_rules", "content_hash", "needed_columns", "sentences", "tally",
]  # fmt: skip
