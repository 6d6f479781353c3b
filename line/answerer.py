"""Who answers as the models of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from andon.records.calls import Role

if TYPE_CHECKING:
    from agents import Model

ROLES: tuple[Role, ...] = ("planner", "executor", "reviewer")


@dataclass(frozen=True)
class Answerer:
    """Who answers as the model, for every role."""

    models: Callable[[], "Mapping[Role, Model]"]
    """Makes the model of each role. Called once, in a thread, while the base is checked: it may load what it needs."""
    label: str
    """For the result: a model's name, or what a cassette says of itself."""
    names: Mapping[Role, str] = field(default_factory=dict)
    """The model of each role, for its price; empty where nobody is paid."""
