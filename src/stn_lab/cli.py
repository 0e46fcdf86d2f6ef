"""The command `stn`: finds the verb, runs it, and turns what the user can mend into one line and exit code 2."""

import errno
import sys
from importlib import import_module
from typing import Any

from .commands import VERBS
from .errors import UserError

HEAD = """usage: stn COMMAND ...

Spatial transformer networks: train, compare, look, measure. `stn COMMAND --help` says more, `stn --version` which
version this is.
"""


OURS = ("spatial_transformer", "stn_lab", "stn_paper", "stn_bench")  # what the extra `lab` does not bring


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    verb, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if verb in ("-h", "--help"):
        sys.stdout.write(_help())
    elif verb == "--version":
        from spatial_transformer import __version__

        sys.stdout.write(f"stn {__version__}\n")
    elif verb in VERBS:
        _run(verb, rest)
    else:
        sys.stderr.write(f"stn: unknown command {verb!r}; choose from {', '.join(VERBS)}\n")
        sys.exit(2)


def _run(verb: str, arguments: list[str]) -> None:
    try:
        _command(verb, arguments)()
    except UserError as error:
        sys.stderr.write(f"stn: {error}\n")
        sys.exit(2)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in OURS:
            raise
        sys.stderr.write(f"stn: {package} is not installed; pip install 'spatial-transformer[lab]'\n")
        sys.exit(2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(f"stn: {error}; make room and try again\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("stn: stopped\n")
        sys.exit(130)


def _command(verb: str, arguments: list[str]) -> Any:
    """The options of a verb as they were typed; calling them runs it."""
    import tyro

    options = getattr(import_module(VERBS[verb].module), VERBS[verb].options)
    return tyro.cli(options, prog=f"stn {verb}", args=arguments, config=(tyro.conf.OmitArgPrefixes,))


def _help() -> str:
    width = max(map(len, VERBS))
    return "\n".join([HEAD, *(f"  {name:{width}}  {verb.summary}" for name, verb in VERBS.items()), ""])


if __name__ == "__main__":
    main()
