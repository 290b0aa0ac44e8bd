"""What holds a model beside a record (``Fitted``, ``Compressed``) is taken wherever a model is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Holder:
    """A record of a model and one other thing; it unpacks into the two."""

    model: Any

    def __iter__(self) -> Iterator[Any]:
        yield self.model
        yield self._beside()

    def _beside(self) -> Any:
        """Return what stands beside the model."""
        return None


def unwrap(model: Any) -> Any:
    """Return the model itself, out of a ``Fitted``, a ``Compressed`` or as given."""
    return model.model if isinstance(model, Holder) else model
