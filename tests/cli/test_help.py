"""The help is the documentation, and it comes at once."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from lineage.cli import COMMANDS, lineage

HEAVY = {
    "blake3",
    "datasketch",
    "faiss",
    "numpy",
    "platformdirs",
    "rich",
    "safetensors",
    "sqlite_utils",
    "starlette",
    "uvicorn",
}
SHOW = f"""
import sys
from lineage.cli import lineage
lineage(["--help"], standalone_mode=False)
print(sorted({HEAVY} & set(sys.modules)))
"""


def test_help_names_every_command_and_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True)
    *page, loaded = done.stdout.splitlines()
    assert [name for name in COMMANDS if not any(line.startswith(f"  {name} ") for line in page)] == []
    assert not any(line.endswith("...") for line in page[1:])  # each command in a whole sentence
    assert loaded == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name):
    command = lineage.get_command(None, name)
    assert command.name == name
    assert f"lineage {name}" in command.help
    assert all(option.help for option in command.params if option.param_type_name == "option")


def test_help_after_the_command_whose_name_is_a_builtin():
    context = click.Context(lineage, **lineage.context_settings)
    assert lineage.get_command(context, "list") is not None
    assert "ingest" in lineage.list_commands(context)
