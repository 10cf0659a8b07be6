"""The arguments of a layer's call, and those that are reserved and filled in: `training` and masks."""

import inspect
from collections.abc import Callable
from typing import Any

from lamina.core.jax_internals import is_tracer
from lamina.core.masks import mask_of


class CallSignature:
    """What a layer's `call`, or its `build`, takes.

    Args:
        method: the method, as the class holds it.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(method).parameters.values())[1:]
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.required = [name for name, p in zip(self.names, parameters, strict=False) if p.default is p.empty]
        named = {p.name: p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        self.takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self.training = "training" in named
        self.training_index = self.names.index("training") if "training" in self.names else None
        default = named["training"].default if self.training else None
        self.training_default = default if isinstance(default, bool) else None
        self.masks = [(name, self._masked(name)) for name in named if name == "mask" or self._masked(name) is not None]
        self.mask_index = {name: self.names.index(name) for name, _ in self.masks if name in self.names}

    def _masked(self, name: str) -> str | None:
        """The argument whose mask an argument takes: `query_mask` that of `query`, `mask` that of the first."""
        if name == "mask":
            return self.names[0] if self.names and self.names[0] != "mask" else None
        source = name.removesuffix("_mask")
        return source if source != name and source in self.names else None

    def first(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Returns the first argument, given by position or by name."""
        return args[0] if args else kwargs.get(self.names[0]) if self.names else None

    def resolve_training(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], enclosing: bool | None
    ) -> tuple[tuple[Any, ...], bool | None]:
        """Returns the positional arguments and the value of `training`, which it puts in its place.

        An explicit value counts first, then that of the enclosing layer's call, then the default of `call`.
        """
        index = self.training_index
        positional = index is not None and index < len(args)
        training = args[index] if positional else kwargs.get("training")  # type: ignore[index]
        if is_tracer(training):
            raise TypeError(
                "training must be a Python bool, but it was traced. Where a function with such an argument is compiled, name "
                "it: lamina.jit(f, static_argnames='training')."
            )
        if training is None:
            training = self.training_default if enclosing is None else enclosing
            if positional:
                args = (*args[:index], training, *args[index + 1 :])  # type: ignore[operator]
            elif self.training and training is not None:
                kwargs["training"] = training
        if not self.training and not self.takes_any:
            kwargs.pop("training", None)
        return args, training

    def resolve_masks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Puts the masks that the inputs carry where `call` asks for them and none was given."""
        for name, source in self.masks:
            if kwargs.get(name) is not None or source is None or self.mask_index.get(name, len(args)) < len(args):
                continue
            position = self.names.index(source)
            mask = mask_of(args[position] if position < len(args) else kwargs.get(source))
            if mask is not None:
                kwargs[name] = mask
