"""The target of the `kaleido` command: makes sure that `kaleido` is this package, then runs it.

Plotly's exporter owns the name `kaleido` on PyPI and the same import name. Where both are installed, whichever came
last has overwritten files of the other, and this module is the only one whose name is ours alone. It therefore imports
nothing from the package before it has looked.
"""

import runpy
import sys

FIX = "uninstall kaleido, and install kaleido-bert again with --force-reinstall --no-deps"


def main() -> None:
    """Runs `python -m kaleido`; exits with 2 where another package has taken the name `kaleido`."""
    try:
        _run()
    except KeyboardInterrupt:  # before it could say so itself
        sys.exit(130)


def _run() -> None:
    if message := foreign_package():
        print(f"kaleido: {message}", file=sys.stderr)
        sys.exit(2)
    from kaleido.installation import name_clash

    if message := name_clash():
        print(f"kaleido: warning: {message}", file=sys.stderr)
    runpy.run_module("kaleido", run_name="__main__")


def foreign_package() -> str | None:
    """Says in one line what is wrong if `import kaleido` does not give this package; None if it does."""
    try:
        from kaleido import UserError  # noqa: F401
    except ImportError:
        place = getattr(sys.modules.get("kaleido"), "__path__", ["nowhere"])
        return (
            f"the package `kaleido` in {next(iter(place))} is not Kaleido-BERT, or only in parts: another distribution "
            f"of that name (Plotly's exporter) has taken its place; keep them in separate environments, or {FIX}"
        )
    return None


if __name__ == "__main__":
    main()
