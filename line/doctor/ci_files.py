"""What a commit says of its CI and of who must review what; read as data, nothing is run."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml

from andon.context.base import BaseFiles
from andon.guardrails.globs import Glob
from andon.guardrails.paths import fold

_GITHUB = re.compile(r"\.(github|gitea|forgejo)/workflows/[^/]+\.ya?ml")
_GITLAB = ".gitlab-ci.yml"
_OTHERS = frozenset({
    ".circleci/config.yml", ".travis.yml", ".woodpecker.yml", "Jenkinsfile", "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
})  # fmt: skip
_OWNERS = (".github/CODEOWNERS", ".gitlab/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
_TESTS = re.compile(
    r"\b(pytest|unittest|tox|nox|node --test|(npm|pnpm|yarn)( run)? t(est)?|jest|vitest|mocha|go test|cargo test"
    r"|make (test|check)|gradlew? (test|check)|mvn (test|verify)|andon run)\b"
)
_BYTES = 200_000


class Pipeline(NamedTuple):
    """One file of CI."""

    path: str
    on_requests: bool
    """Whether it runs for pull or merge requests."""
    tests: bool
    """Whether a step of it runs tests, as far as its commands show."""
    understood: bool = True
    """False for a kind or a file that is only known to be there."""


def pipelines(files: BaseFiles) -> list[Pipeline]:
    """Return the CI files of the commit, sorted by path."""
    paths = [path for path in files.paths if _GITHUB.fullmatch(path) or path == _GITLAB or path in _OTHERS]
    read = files.read_many(paths, limit=_BYTES)
    return [_pipeline(path, read.get(path, b"")) for path in paths]


def _pipeline(path: str, content: bytes) -> Pipeline:
    try:
        document = yaml.safe_load(content) if path not in _OTHERS else None
    except (yaml.YAMLError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Pipeline(path, on_requests=False, tests=False, understood=False)
    tests = any(_TESTS.search(command) for command in _commands(document))
    if path == _GITLAB:
        # A pipeline without rules of its own runs for every push, so for every merge request's branch.
        text = content.decode("utf-8", "replace")
        return Pipeline(path, "merge_request_event" in text or not ("rules:" in text or "only:" in text), tests)
    # YAML 1.1 reads the key `on` as true.
    events = document.get("on", document.get(True))
    named = events if isinstance(events, dict | list) else [events]
    return Pipeline(path, any(str(name).startswith("pull_request") for name in named), tests)


def _commands(node: Any, key: str = "") -> Iterator[str]:
    """Yield every text below a key that holds commands, in GitHub's and GitLab's way."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _commands(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from _commands(value, key)
    elif isinstance(node, str) and key in ("run", "script", "before_script"):
        yield node


def unowned(files: BaseFiles, paths: Sequence[str]) -> list[str] | None:
    """Return those of `paths` that no line of CODEOWNERS gives an owner; None where there is no such file."""
    place = next((path for path in _OWNERS if path in files.paths), None)
    if place is None:
        return None
    lines = (files.read(place) or b"").decode("utf-8", "replace").splitlines()
    rules = [words for line in lines if (words := line.partition("#")[0].split()) and not words[0].startswith("[")]
    return [path for path in paths if not _owned(rules, path)]


def _owned(rules: Sequence[Sequence[str]], path: str) -> bool:
    parts = tuple(fold(path).split("/"))
    # The last line that matches decides; one without a name takes the owner away.
    last = next((rule for rule in reversed(rules) if rule[0].strip("/*") == "" or Glob.of(rule[0]).holds(parts)), None)
    return last is not None and len(last) > 1
