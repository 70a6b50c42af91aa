"""Detects the other package named `kaleido`, Plotly's exporter."""

from pathlib import Path


def name_clash(package: Path = Path(__file__).parent) -> str | None:
    """Says in one line that another distribution called `kaleido` is installed over this package; None if none is.

    On PyPI that name belongs to Plotly's exporter, whose package has the same import name. Files of the two overwrite
    each other: only the one that was installed last works. If that is the other one, `import kaleido`
    does not reach this code, and the `kaleido` command says so (`kaleido_bert.py`).
    """
    for record in package.parent.glob("kaleido-*.dist-info/RECORD"):
        if f"\n{package.name}/__init__.py," in f"\n{record.read_text(encoding='utf-8')}":
            return (
                f"{record.parent} is another distribution with the name kaleido (Plotly's exporter), which is broken "
                "now because files of this one replaced its own; keep them in separate environments, or uninstall "
                "kaleido, and install kaleido-bert again with --force-reinstall --no-deps"
            )
    return None
