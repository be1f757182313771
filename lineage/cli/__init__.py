"""The command `lineage`; each subcommand is a module that is loaded when it is used."""

from __future__ import annotations

import atexit
import gc
import sys
from importlib import import_module

import click

from lineage import __version__
from lineage.cli.failures import guarded, require_address_space

COMMANDS = (
    "ingest", "whois", "compare", "trace", "descendants", "graph", "decompose", "audit", "verify", "sketch", "list",
    "show", "remove", "doctor", "rebuild", "export", "pull", "import", "layers", "watch", "serve", "token", "mcp",
)  # fmt: skip
_LIGHT = ("list", "show", "remove", "doctor")
_LITTLE, _MUCH = 200 << 20, 640 << 20  # bytes of address space that the libraries behind commands take on two cores
_UNTIL_COLLECTED = 100_000  # objects made
_ON_HELP = {"help_option_names": ["-h", "--help"]}


class Commands(click.Group):
    """A group that loads its commands by name and lists them in the order in which they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of all commands."""
        return [*COMMANDS]  # the module of the command `list` hides that name here once it is loaded

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"lineage.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was given. Raises MemoryError if the process is not allowed the memory that it needs."""
        name, found, rest = super().resolve_command(ctx, args)
        require_address_space(_LITTLE if name in _LIGHT else _MUCH)
        return name, found, rest


@click.group(cls=Commands, context_settings=_ON_HELP)
@click.version_option(__version__, "-v", "--version", message="lineage %(version)s")
def lineage() -> None:
    """Say where model weights come from.

    \b
      lineage whois ./model             what does this descend from?
      lineage ingest ./base ./other     add models of your own to an index
      lineage compare ./child ./base    are these two related, and how?
      lineage graph -o graph.svg        which model descends from which, as a picture

    Exit codes: 0 done (no match is still 0), 1 failure, 2 usage, 10 no index, 11 index locked,
    12 unsupported or damaged file, 130 interrupted; with --gate 20 policy violated or named relation found, 21 claim
    contradicted, 30 inconclusive. With LINEAGE_DEBUG=1 an unexpected failure shows its traceback.
    """


def main() -> None:
    """Run the command line and exit with its code."""
    # Sketches are many small objects without cycles: collecting garbage among them took a fifth of a search.
    gc.set_threshold(_UNTIL_COLLECTED)
    # The last collections of an interpreter that ends, over every class and module, took a tenth of a short command.
    atexit.register(gc.freeze)
    sys.exit(guarded(lambda: lineage.main(prog_name="lineage", standalone_mode=False)))
