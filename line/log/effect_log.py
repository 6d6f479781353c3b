"""What became of changes that could not simply stand, from the event stream, for the papers."""

from andon.records.events import RunEvent

_WORDS = {
    "effect.undone": "undone",
    "effect.held": "undone until a person allows it",
    "effect.applied": "allowed by a person",
}


class EffectLog:
    """A listener of one run: a fact for each path and rule, in the order they came."""

    def __init__(self) -> None:
        self._facts: dict[str, None] = {}

    def __call__(self, event: RunEvent) -> None:
        """Take one event."""
        if word := _WORDS.get(event.kind):
            self._facts.setdefault(f"{event.data['path']}: {word} (rule {event.data['rule']})")

    @property
    def facts(self) -> list[str]:
        """Return them, each once."""
        return list(self._facts)
