"""The whole change of a tree, judged once more as the effects of its calls were: nothing else is handed over."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from os import fsdecode

from andon.guardrails.effects import Change, Content, TestsSeen, judge_effects
from andon.guardrails.judge import Policy
from andon.guardrails.output import clean_text
from andon.guardrails.scope import Scope
from andon.guardrails.test_files import is_test_file
from andon.mcp_servers.settled import Held
from andon.sandbox.protocol import LINK, SUBMODULE
from andon.sandbox.store import Change as Entered
from andon.sandbox.store import TreeFile, TreeStore


def closed_in_tree(
    store: TreeStore,
    base_tree: str,
    tree: str,
    policy: Policy,
    *,
    scope: Scope | None = None,
    accepted: Callable[[str, str], bool] = lambda path, entry: False,
    approved: Collection[str] = (),
) -> list[str]:
    """Return why `tree` may not be delivered, a sentence for each path; empty if it may.

    `accepted` and `approved` say what people allowed, as in `judge_effects`.
    """
    changes = _changes(store, base_tree, tree)
    effects = judge_effects(
        changes,
        policy,
        scope=scope,
        accepted=accepted,
        approved=approved,
        in_one_call=False,
        tests=_tests(changes),
    )
    needs = {"undo": "", "hold": " (a person would have to allow this)"}
    return [
        " ".join(clean_text(f"{each.path} ({each.rule}): {each.reason}{needs[each.verdict]}").split())
        for each in effects
    ]


def allowed_paths(
    store: TreeStore, base_tree: str, tree: str, accepted: Callable[[str, str], bool], *, tests: bool
) -> list[str]:
    """Return the paths whose change in `tree` people allowed: by `accepted`, and of `tests` all that differ."""
    return [
        change.path
        for change in _changes(store, base_tree, tree)
        if accepted(change.path, change.entry) or (tests and is_test_file(change.path))
    ]


def held_patch(store: TreeStore, base_tree: str, held: Sequence[Held]) -> bytes:
    """Return what was undone until a person allows it, as a patch on the base: a run that waits loses nothing."""
    changes = [
        Entered(each.raw, None) if each.after is None else Entered(each.raw, each.after.mode, each.after.content)
        for each in held
    ]
    return store.patch(base_tree, store.build(base_tree, changes))


def _changes(store: TreeStore, base_tree: str, tree: str) -> list[Change]:
    before = {file.path: file for file in store.files(base_tree)}
    after = {file.path: file for file in store.files(tree)}
    differing = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    taken = [files[path] for path in differing for files in (before, after) if path in files]
    blobs = store.read_blobs({file.blob for file in taken if file.mode != SUBMODULE})
    content = partial(_content, blobs=blobs)
    return [
        Change(fsdecode(path), content(before.get(path)), content(after.get(path)), content(before.get(path)))
        for path in differing
    ]


def _content(file: TreeFile | None, *, blobs: dict[str, bytes]) -> Content | None:
    return None if file is None else Content(file.mode, file.blob, lambda: blobs.get(file.blob, b""))


def _tests(changes: list[Change]) -> TestsSeen | None:
    tests = [change for change in changes if is_test_file(change.path)]
    if not tests:
        return None
    base = {change.path: change.base.data() for change in tests if change.base and change.base.mode != LINK}
    now = {change.path: change.after.data() for change in tests if change.after and change.after.mode != LINK}
    return TestsSeen(base, base, now)
