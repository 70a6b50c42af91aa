"""Types of what goes through the network."""

from collections.abc import Mapping
from typing import Any

Tensor = Any
"""A NumPy array or a tensor of the backend."""

Batch = Mapping[str, Tensor]
"""Arrays by name, as `docs/design.md` lists them."""
