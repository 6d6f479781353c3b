"""From what a person wrote to what is protected."""

import pytest

from andon.guardrails.protected import match, resolve_protected
from andon.records.project import ProtectedRule

PATHS = [
    "README.md",
    "src/auth/login.py",
    "src/author.py",
    "src/billing/invoice.py",
    "src/AuthService.java",
    "src/authority/x.py",
    "src/bills.py",
    "src/billboard.py",
    "config/prod.yaml",
    "config/secrets/key.txt",
    "src/producer.py",
    "tests/test_auth.py",
    "migrations/0001.sql",
    "src/old/2.sql",
]


def _matches(entry: str, mapping: dict[str, list[str]] | None = None) -> list[str]:
    return resolve_protected([entry], PATHS, mapping or {})[0].matches


@pytest.mark.parametrize(
    ("entry", "matches"),
    [
        ("src/auth/", ["src/auth/login.py"]),
        ("src/auth", ["src/auth/login.py"]),
        ("./src/auth", ["src/auth/login.py"]),
        ("SRC/Auth", ["src/auth/login.py"]),
        ("migrations", ["migrations/0001.sql"]),
        ("*.sql", ["migrations/0001.sql", "src/old/2.sql"]),
        ("/migrations/*.sql", ["migrations/0001.sql"]),
        ("src/**/*.sql", ["src/old/2.sql"]),
        ("**/secrets/**", ["config/secrets/key.txt"]),
        ("src/[a]uth/*", ["src/auth/login.py"]),
        ("src/?.py", []),
        ("README.md", ["README.md"]),
        ("nowhere/", []),
    ],
)
def test_path_entries_are_gitignore_patterns_anchored_at_the_root(entry: str, matches: list[str]) -> None:
    assert _matches(entry) == matches


@pytest.mark.parametrize(
    ("entry", "matches"),
    [
        ("authentication", ["src/AuthService.java", "src/auth/login.py", "tests/test_auth.py"]),
        ("Authentication logic", ["src/AuthService.java", "src/auth/login.py", "tests/test_auth.py"]),
        ("billing", ["src/billing/invoice.py", "src/bills.py"]),
        ("production secrets", ["config/prod.yaml", "config/secrets/key.txt"]),
        ("weather", []),
        ("the code of all", []),
    ],
)
def test_areas_protect_segments_that_hold_their_words(entry: str, matches: list[str]) -> None:
    assert _matches(entry) == matches


def test_a_mapping_says_what_an_area_is() -> None:
    rules = resolve_protected(["Billing"], PATHS, {"billing": ["/src/bills.py"]})
    assert rules == [ProtectedRule(entry="Billing", patterns=["/src/bills.py"], matches=["src/bills.py"])]


def test_blank_entries_make_no_rule() -> None:
    assert resolve_protected(["", "  "], PATHS, {}) == []


@pytest.mark.parametrize(
    "path",
    ["src/auth/new.py", "lib/auth.py", "SRC/AUTH/X.py", "web/authn/x.ts", "src/au\u200bth/x.py", "web/userAuth.ts"],
)
def test_areas_protect_files_that_do_not_exist_yet(path: str) -> None:
    rules = resolve_protected(["authentication"], PATHS, {})
    assert match(rules, path) == rules[0]


@pytest.mark.parametrize("path", ["src/author.py", "docs/authors/x.md", "src/authority/x.py", "src/coauthor.py"])
def test_words_that_only_begin_alike_are_not_protected(path: str) -> None:
    assert match(resolve_protected(["authentication"], PATHS, {}), path) is None


def test_the_first_rule_that_protects_is_named() -> None:
    rules = resolve_protected(["src/", "src/auth/"], PATHS, {})
    assert match(rules, "src/auth/login.py") == rules[0]
