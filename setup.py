"""A shim for tools that run setup.py, and the list of packages; the metadata is in pyproject.toml."""

import subprocess
import sys

if sys.argv[1:2] == ["develop"]:
    # The original release's way to install a checkout; setuptools' own command knows no extras.
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--editable", ".[all]"]))

from setuptools import find_namespace_packages, find_packages, setup

setup(
    # The ready configurations are part of the package, so that they are found by name where it is installed.
    packages=[
        *find_packages(include=["kaleido", "kaleido.*"]),
        "kaleido.configs",
        *(f"kaleido.configs.{folder}" for folder in find_namespace_packages("configs")),
    ],
    package_dir={"kaleido.configs": "configs"},
)
