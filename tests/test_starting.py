"""What a command loads: a file that nobody has to read costs the start of the program, so that is kept small."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import click

from portal import commands

UNNEEDED = {"numpy", "openpyxl", "python_calamine", "portal.feeds", "portal.web", "portal.supplier_check"}


def test_importing_a_file_again_loads_neither_arrays_nor_readers_nor_pages():
    program = "import sys; import portal.commands, portal.feed_commands; print(*sorted(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ, timeout=60)
    loaded = set(answer.stdout.split())
    assert "portal.inventory.sync" in loaded
    assert not loaded & UNNEEDED


def test_each_verb_of_another_module_is_found_there_by_its_name_and_none_is_forgotten():
    found = {}
    for module in set(commands.ELSEWHERE.values()):
        for verb in importlib.import_module(module).COMMANDS:
            assert isinstance(verb, click.Command)
            found[verb.name] = module
    assert found == commands.ELSEWHERE
