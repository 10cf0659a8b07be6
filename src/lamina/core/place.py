"""Where in the tree of attributes an object stands."""

import weakref
from typing import Any


class Placed:
    """What modules hold: variables and modules. It knows, weakly, what holds it or has held it, in order."""

    __slots__ = ()
    _parents: "list[weakref.ref[Any]]"

    def _adopt(self, parent: Any) -> None:
        """Notes that `parent` holds it."""
        if not any(reference() is parent for reference in self._parents):
            alive = [reference for reference in self._parents if reference() is not None]
            self._parents[:] = [*alive, weakref.ref(parent)]

    def _place(self) -> tuple[Any, str]:
        """Returns what holds it and the step that leads from there: the first that still does, and is not below it."""
        for reference in self._parents:
            parent = reference()
            if parent is not None and not _below(parent, self):
                step = parent._step_to(self)
                if step is not None:
                    return parent, step
        return None, ""


def _below(module: Any, other: Any) -> bool:
    """Tells whether `module` is `other` or hangs below it."""
    seen: list[Any] = []
    while module is not None and not any(module is one for one in seen):
        if module is other:
            return True
        seen.append(module)
        module = next((parent for reference in module._parents if (parent := reference()) is not None), None)
    return False
