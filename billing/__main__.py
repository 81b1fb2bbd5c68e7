"""`billing`, the command: what it cannot even begin with, it says in a sentence too."""

import sys


def main() -> None:
    """Runs a command. Code of one version beside libraries of another is the usual reason why an import fails."""
    try:
        from billing.commands import main as command

        command()
    except ImportError as problem:
        sys.exit(f"billing: {problem}. What is installed does not fit this program: run `make install`.")


if __name__ == "__main__":
    main()
