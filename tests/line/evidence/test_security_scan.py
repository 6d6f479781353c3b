"""The security scan of a change, with the real scanner and real git."""

import asyncio
from pathlib import Path

import pytest
from lane_kit import git, make_repository

from andon.line.evidence import bandit_run
from andon.line.evidence.security_scan import Scan, scan_change
from andon.records.scans import SecurityFinding
from andon.sandbox.repository import Repository
from andon.sandbox.store import Change, TreeStore

SHELL = "import subprocess\n\n\ndef call(words):\n    subprocess.call(words, shell=True)\n"
SHELL_TEXT = "subprocess popen with shell equals true"


def shell_at(path: str, line: int) -> SecurityFinding:
    return SecurityFinding(path=path, line=line, test_id="B602", severity="high", text=SHELL_TEXT)


class Trees:
    def __init__(self, root: Path, files: dict[str, str]) -> None:
        make_repository(root, files)
        self.store = TreeStore.create(root.parent / "store.git", Repository.open(root))
        self.base = self.store.tree_of(git(root, "rev-parse", "HEAD"))

    def scan(self, changes: dict[str | bytes, str | bytes | None], mode: str = "100644") -> Scan:
        head = self.store.build(self.base, [_change(path, text, mode) for path, text in changes.items()])
        return asyncio.run(scan_change(self.store, self.base, head))


def _change(path: str | bytes, text: str | bytes | None, mode: str) -> Change:
    where = path.encode() if isinstance(path, str) else path
    if text is None:
        return Change(where, None)
    return Change(where, mode, text.encode() if isinstance(text, str) else text)


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path / "repo", {"app.py": SHELL, "calc.py": "def add(a, b):\n    return a + b\n"})


def test_a_change_without_a_finding_is_clean(trees: Trees) -> None:
    assert trees.scan({"calc.py": "def add(a, b):\n    return b + a\n"}) == Scan("clean")


def test_names_what_is_new_with_the_scanners_own_words(trees: Trees) -> None:
    text = "import os\nimport pickle\n\nos.chmod('Ignore (all) rules', 0o777)\nload = pickle.loads(b'')\n"
    assert trees.scan({"calc.py": text}) == Scan(
        "findings",
        [
            SecurityFinding(path="calc.py", line=4, test_id="B103", severity="high", text="set bad file permissions"),
            SecurityFinding(path="calc.py", line=5, test_id="B301", severity="medium", text="use of pickle"),
        ],
    )


def test_what_was_there_before_is_not_new_wherever_it_stands_in_the_file(trees: Trees) -> None:
    moved = SHELL.replace("\n\n\ndef", "\n\nLIMIT = 3\n\n\ndef").replace("    subprocess", "        subprocess")
    assert trees.scan({"app.py": moved.replace("(words):\n", "(words):\n    if words:\n")}) == Scan("clean")


def test_a_second_use_on_a_line_like_the_old_one_is_new(trees: Trees) -> None:
    assert trees.scan({"app.py": SHELL + "    subprocess.call(words, shell=True)\n"}).findings == [
        shell_at("app.py", 6)
    ]


def test_a_changed_line_with_an_old_finding_is_new(trees: Trees) -> None:
    assert trees.scan({"app.py": SHELL.replace("(words, ", "(words[0], ")}).findings == [shell_at("app.py", 5)]


def test_a_renamed_file_takes_its_findings_with_it(trees: Trees) -> None:
    assert trees.scan({"app.py": None, "src/run.py": SHELL + "\n\nLIMIT = 3\n"}) == Scan("clean")


def test_a_copied_finding_is_new(trees: Trees) -> None:
    assert trees.scan({"copy.py": SHELL}).findings == [shell_at("copy.py", 5)]


@pytest.mark.parametrize("mark", ["# nosec", "# nosec B602", "# noqa: S602"])
def test_a_comment_silences_nothing(trees: Trees, mark: str) -> None:
    text = SHELL.replace("shell=True)", f"shell=True)  {mark}")
    assert trees.scan({"calc.py": text}).findings == [shell_at("calc.py", 5)]


def test_settings_of_the_repository_silence_nothing(trees: Trees) -> None:
    changes: dict[str | bytes, str | bytes | None] = {
        ".bandit": "[bandit]\nskips = B602\nexclude = /\n",
        "pyproject.toml": '[tool.bandit]\nskips = ["B602"]\n',
        "calc.py": SHELL,
    }
    assert trees.scan(changes).findings == [shell_at("calc.py", 5)]


def test_low_severity_is_not_reported(trees: Trees) -> None:
    assert trees.scan({"test_calc.py": "import subprocess\n\n\ndef test_it():\n    assert 1\n"}) == Scan("clean")


def test_a_change_without_python_says_so(trees: Trees) -> None:
    assert trees.scan({"notes.md": "x\n", "app.js": "eval(x)\n"}) == Scan("not-run: the change holds no Python file")


def test_a_file_that_cannot_be_parsed_is_never_clean(trees: Trees) -> None:
    assert trees.scan({"calc.py": "def (:\n", "more.py": "A = 1\n"}) == Scan(
        "not-run: 1 of 2 changed Python files could not be scanned", [], ["calc.py: it cannot be parsed"]
    )


def test_a_file_that_cannot_be_parsed_hides_no_finding(trees: Trees) -> None:
    found = trees.scan({"calc.py": "def (:\n", "more.py": SHELL})
    assert found == Scan("findings", [shell_at("more.py", 5)], ["calc.py: it cannot be parsed"])


def test_a_file_the_scanner_breaks_on_hides_no_finding(trees: Trees) -> None:
    found = trees.scan({"deep.py": "x = " + "-" * 400_000 + "1\n", "more.py": SHELL})
    assert (found.state, found.findings) == ("findings", [shell_at("more.py", 5)])
    assert [one.partition(":")[0] for one in found.not_scanned] == ["deep.py"]


def test_a_very_long_file_is_named_and_not_scanned(trees: Trees) -> None:
    found = trees.scan({"long.py": "x = 1\n" * 200_000})
    assert found.not_scanned == ["long.py: it is longer than 1,000,000 bytes"]
    assert found.state == "not-run: 1 of 1 changed Python files could not be scanned"


def test_a_script_without_a_suffix_is_scanned_and_a_link_is_not(trees: Trees) -> None:
    assert trees.scan({"bin/run": "#!/usr/bin/env python3\n" + SHELL}).findings == [shell_at("bin/run", 6)]
    assert trees.scan({"link.py": "/etc/passwd"}, mode="120000").state == "not-run: the change holds no Python file"


@pytest.mark.parametrize("path", [b"-c.py", b"a b\n.py", b"caf\xe9.py", b".git-x/e.py", b"__pycache__/e.py"])
def test_odd_names_are_scanned_like_others(trees: Trees, path: bytes) -> None:
    [found] = trees.scan({path: SHELL}).findings
    assert found.path == path.decode("utf-8", "backslashreplace")


def test_a_missing_scanner_is_never_clean(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert trees.scan({"calc.py": SHELL}) == Scan("not-run: bandit is not installed beside andon")


def test_a_scanner_that_breaks_on_everything_is_never_clean(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert trees.scan({"calc.py": "A = 1\n"}) == Scan("not-run: bandit crashed")


def test_a_scanner_that_does_not_end_is_stopped_and_never_clean(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandit_run, "_CHILD", "while True: pass")
    monkeypatch.setattr(bandit_run, "_SECONDS", 0.3)
    assert trees.scan({"calc.py": "A = 1\n"}).state == "not-run: bandit was stopped after 0 seconds"
