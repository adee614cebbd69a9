"""What every component promises of its Config, whatever its kind."""

import dataclasses
from collections.abc import Callable
from typing import Any

from handbench.configs import as_settings, configure
from handbench.testing.contract import Subject, require


def config_is_frozen_and_round_trips(subject: Subject) -> None:
    """Config is a frozen dataclass with defaults, and comes back the same from a recipe."""
    owner: Any = subject.target.Config
    frozen = hasattr(owner, "__dataclass_params__") and owner.__dataclass_params__.frozen
    require(frozen, f"{subject.name}.Config must be decorated with @dataclass(frozen=True)")
    open_fields = [
        field.name
        for field in dataclasses.fields(owner)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    require(not open_fields, f"{subject.name}.Config has fields without a default: {', '.join(open_fields)}")
    config = subject.config()
    back = configure(owner, as_settings(config), subject.name)
    require(back == config, f"{subject.name}.Config is {config}, and {back} after a way through a recipe")


def class_says_what_it_is(subject: Subject) -> None:
    """The class has a docstring, whose first line stands in listings."""
    require((subject.target.__doc__ or "").strip(), f"{subject.name}: the class has no docstring")


def promises(_: Subject) -> tuple[Callable[[Subject], None], ...]:
    """All of them."""
    return (config_is_frozen_and_round_trips, class_says_what_it_is)
