"""Named values in one place."""

import json
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

from lamina.core.text import ReprMixin, format_arguments


class Config(ReprMixin):
    """Named values, as attributes or by `[]`, which can be frozen.

    Args:
        kwargs: the values.

    Raises:
        ValueError: when it is frozen, and a value is to change.
        AttributeError: for a name that there is none of.

    >>> config = Config(rate=0.1)
    >>> config.epochs = 3
    >>> config["rate"], config.to_json()
    (0.1, '{"rate": 0.1, "epochs": 3}')
    >>> config.freeze()
    >>> config.rate = 1
    Traceback (most recent call last):
    ValueError: The config is frozen, so 'rate' cannot be changed. Call unfreeze() first.
    """

    _values: dict[str, Any]
    frozen: bool

    def __init__(self, **kwargs: Any) -> None:
        vars(self).update(_values=kwargs, frozen=False)

    def freeze(self) -> None:
        """Refuses changes from now on."""
        vars(self)["frozen"] = True

    def unfreeze(self) -> None:
        """Takes changes again."""
        vars(self)["frozen"] = False

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as a new dict."""
        return dict(self._values)

    def to_json(self) -> str:
        """Returns the values as JSON."""
        return json.dumps(self._values)

    def keys(self) -> KeysView[str]:
        """Returns the names."""
        return self._values.keys()

    def values(self) -> ValuesView[Any]:
        """Returns the values."""
        return self._values.values()

    def items(self) -> ItemsView[str, Any]:
        """Returns names and values."""
        return self._values.items()

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a value, or the default where there is none of that name."""
        return self._values.get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        """Takes a value out and returns it; the default where there is none of that name."""
        self._refuse_if_frozen(name)
        return self._values.pop(name, *default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Sets several values, as `dict.update` does."""
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def _refuse_if_frozen(self, name: str) -> None:
        if self.frozen:
            raise ValueError(f"The config is frozen, so {name!r} cannot be changed. Call unfreeze() first.")

    def __getattr__(self, name: str) -> Any:
        if name in vars(self).get("_values", {}):
            return self._values[name]
        raise AttributeError(f"The config has no {name!r}, but {', '.join(vars(self).get('_values', {})) or 'nothing'}.")

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(Config, name) or name in ("frozen", "_values"):
            raise AttributeError(f"A config has something of its own under the name {name!r}. Take another name.")
        self[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._refuse_if_frozen(name)
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        self._refuse_if_frozen(name)
        del self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _facts(self) -> list[str]:
        return format_arguments(self._values)
