"""The conversation of a role, kept beside the SDK's runner, which walks over all that it has in every turn."""

from collections.abc import Sequence
from typing import Any, cast

from agents import TResponseInputItem

from andon.agents.elision import Elision
from andon.records.errors import RunError
from andon.records.stops import StopCode

_STANDS_FOR = "[andon: what was said before, "


class History:
    """What was put away of one conversation. Its items are shared between turns: nobody may change them."""

    def __init__(self) -> None:
        self._number = 0
        self._items: list[TResponseInputItem] = []
        self._shortened = Elision()

    def put_away(self, items: Sequence[TResponseInputItem]) -> list[TResponseInputItem]:
        """Keep `items`, and return the one that stands for them; those that begin with it go on from what was kept.

        What was kept of another conversation is forgotten.
        """
        known, new = self._parted(items)
        if not known:
            self._number += 1
            self._items, self._shortened = [], Elision()
        for item in map(_as_first_sent, new):
            self._items.append(item)
            self._shortened.add(item)
        return [self._stands]

    def whole(self, items: Sequence[TResponseInputItem]) -> list[TResponseInputItem]:
        """Return `items` with what was put away in its place."""
        known, new = self._parted(items)
        return [*self._items, *new] if known else [*new]

    def sent(self, items: Sequence[TResponseInputItem], *, whole: bool) -> list[TResponseInputItem]:
        """Return what a model is sent for `items`: the `whole` conversation, or one without old outputs if it is long.

        What is left out depends on the conversation alone, not on how much of it was put away.
        """
        known, new = self._parted(items)
        given = [*map(_as_first_sent, new)]
        if whole:
            return [*self._items, *given] if known else given
        shortened = self._shortened.copy() if known else Elision()
        for item in given:
            shortened.add(item)
        return shortened.items

    @property
    def _stands(self) -> TResponseInputItem:
        return {"role": "user", "content": f"{_STANDS_FOR}{self._number}]"}

    def _parted(self, items: Sequence[TResponseInputItem]) -> tuple[bool, Sequence[TResponseInputItem]]:
        """Return whether `items` go on from what was put away, and those that are not."""
        if items and items[0] == self._stands:
            return True, items[1:]
        if items and str(cast("dict[str, Any]", items[0]).get("content")).startswith(_STANDS_FOR):
            raise RunError(StopCode.INTERNAL, "a conversation goes on that was put away and forgotten")
        return False, items


def _as_first_sent(item: TResponseInputItem) -> TResponseInputItem:
    """Return `item` with the fields of a call's output in the order in which the SDK makes them.

    A stored state comes back with another one; what was sent before must stay a prefix of what is sent next, to the
    byte.
    """
    plain = cast("dict[str, Any]", item)
    if plain.get("type") != "function_call_output":
        return item
    output = plain["output"]
    if isinstance(output, list):
        output = [{"type": part["type"], **part} for part in output]
    return cast("TResponseInputItem", {"call_id": plain["call_id"], **plain, "output": output})
