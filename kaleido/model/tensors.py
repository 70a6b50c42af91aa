"""Types of the network's inputs and outputs."""

from collections.abc import Mapping
from typing import Any

Tensor = Any
"""A NumPy array or a tensor of the backend."""

Batch = Mapping[str, Tensor]
"""Arrays by name, as `docs/design.md` lists them."""
