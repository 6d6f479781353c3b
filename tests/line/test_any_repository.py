"""Runs of the whole line on repositories as strangers have them. Everything but the model is live."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from lane_kit import FILES, Ran, call, git, make_repository, plan, report, review, run_line, write

from andon.line.job import prepare
from andon.records.errors import UserError
from andon.records.task import Task
from andon.sandbox.repository import Repository

TASK = Task(id="task-9", title="Add subtraction", acceptance_criteria=["sub(3, 1) is 2"])
BRANCH = "factory/task-9-add-subtraction"
CALC, CALC_TEST = FILES["calc.py"], FILES["tests/test_calc.py"]
PYTHON: dict[str, str] = {"calc.py": CALC, "tests/test_calc.py": CALC_TEST, "conftest.py": ""}
SEEN_INSIDE = "/usr/local/bin:/usr/bin:/bin"

RAW: dict[str | bytes, str | bytes] = dict(PYTHON.items())

Contents = Mapping[str | bytes, str | bytes]


def commit(root: Path, contents: Contents) -> Path:
    """Commit `contents` byte for byte, whatever names and .gitattributes they have."""
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for name, content in contents.items():
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
    put = []
    for folder, _, names in os.walk(os.fsencode(root)):
        for name in names:
            full = os.path.join(folder, name)
            short = os.path.relpath(full, os.fsencode(root))
            if not short.startswith(b".git/"):
                put.append(b"100644 %s\t%s\0" % (blob(root, full), short))
    feed(root, b"".join(put), "update-index", "-z", "--index-info")
    git(root, "commit", "-qm", "base")
    return root


def blob(root: Path, path: bytes) -> bytes:
    with open(path, "rb") as file:
        return feed(root, file.read(), "hash-object", "-w", "--no-filters", "--stdin").strip()


def feed(root: Path, data: bytes, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *words], input=data, check=True, capture_output=True).stdout


def tree(root: Path, commit: str) -> dict[bytes, bytes]:
    """Return mode, kind and object id of everything in a commit by path."""
    rows = feed(root, b"", "ls-tree", "-r", "-z", commit).split(b"\0")
    return {path: facts for facts, _, path in (row.partition(b"\t") for row in rows if row)}


def changed(root: Path, old: str = "main", new: str = f"{BRANCH}~1") -> list[bytes]:
    """Return the paths that differ between two commits, by default the base and the delivered change."""
    before, after = tree(root, old), tree(root, new)
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def run(root: Path, *calls: Any, planned: Sequence[str] = ("calc.py",)) -> Ran:
    """Run the task with an executor that makes these calls, one an answer."""
    answers = [[one] for one in calls]
    return run_line(root, [plan(files=list(planned))], *answers, [report()], [review()], task=TASK)


def sub(path: str = "calc.py") -> Any:
    """Return the call that adds `sub` to a module."""
    return call(
        "edit_file", path=path, edits=[{"old": "    return a + b\n", "new": "    return a + b\n\n\n" + SUB_TEXT}]
    )


SUB_TEXT = "def sub(a, b):\n    return a - b\n"


def outcome(ran: Ran) -> tuple[str, str | None]:
    return str(ran.result.stop_code), ran.result.checks.outcome if ran.result.checks else ran.result.message


# Ecosystems


@pytest.mark.parametrize(
    "lock",
    [
        {"pyproject.toml": '[project]\nname = "calc"\nversion = "1"\n', "uv.lock": "version = 1\n"},
        {"requirements.txt": "# none yet\n"},
        {"pyproject.toml": '[tool.poetry]\nname = "calc"\n', "poetry.lock": "# poetry\n"},
    ],
    ids=["uv", "pip", "poetry"],
)
def test_a_python_project_runs_and_says_that_its_dependencies_are_not_installed(
    tmp_path: Path, lock: dict[str, str]
) -> None:
    root = make_repository(tmp_path / "python", PYTHON | lock)
    ran = run(root, sub())
    assert outcome(ran) == ("delivered", "green")
    name = list(lock)[-1]
    assert f"Dependencies are not installed in the sandbox: {name}." in ran.result.warnings


NODE = {
    "package.json": '{"name": "calc", "type": "module", "scripts": {"test": "node --test"}}\n',
    "package-lock.json": "{}\n",
    "calc.js": "export const add = (a, b) => a + b;\n",
    "calc.test.js": "import test from 'node:test';\nimport assert from 'node:assert';\n"
    "import { add } from './calc.js';\ntest('add', () => assert.equal(add(1, 2), 3));\n",
}


@pytest.mark.skipif(
    shutil.which("npm", path=SEEN_INSIDE) is None, reason="needs node and npm where a sandbox sees them"
)
@pytest.mark.parametrize("script", ["node --test", "node --test *.test.js"], ids=["node", "npm"])
def test_a_node_project_runs(tmp_path: Path, script: str) -> None:
    package = NODE["package.json"].replace("node --test", script)
    root = make_repository(tmp_path / "node", NODE | {"package.json": package})
    ran = run(root, write("calc.js", NODE["calc.js"] + "export const sub = (a, b) => a - b;\n"), planned=["calc.js"])
    assert outcome(ran) == ("delivered", "green")


@pytest.mark.skipif(shutil.which("node", path=SEEN_INSIDE) is None, reason="needs node where a sandbox sees it")
def test_a_node_project_that_breaks_is_seen(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "node", NODE)
    ran = run(root, write("calc.js", "export const add = (a, b) => a * b;\n"), planned=["calc.js"])
    assert outcome(ran) == ("checks-failed", "red-new")


PROGRAMS: dict[str, dict[str, str]] = {
    "pnpm": {"package.json": '{"scripts": {"test": "vitest"}}', "pnpm-lock.yaml": ""},
    "yarn": {"package.json": '{"scripts": {"test": "vitest"}}', "yarn.lock": ""},
    "go": {
        "go.mod": "module example.com/calc\n\ngo 1.19\n",
        "calc.go": "package calc\n\nfunc Add(a, b int) int { return a + b }\n",
        "calc_test.go": 'package calc\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n\tif Add(1, 2) != 3 {\n'
        '\t\tt.Fatal("no")\n\t}\n}\n',
    },
    "cargo": {
        "Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2021"\n',
        ".gitignore": "target\nCargo.lock\n",
        "src/lib.rs": "pub fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n\n"
        "#[test]\nfn adds() {\n    assert_eq!(add(1, 2), 3);\n}\n",
    },
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_project_whose_program_is_missing_is_a_typed_stop_and_runs_where_it_is_there(
    tmp_path: Path, program: str
) -> None:
    root = make_repository(tmp_path / program, PROGRAMS[program])
    if shutil.which(program, path=SEEN_INSIDE):
        ran = run(root, write("NOTES.md", "sub is next\n"), planned=["NOTES.md"])
        assert ran.result.stop_code in ("delivered", "no-evidence")
        return
    ran = run_line(root, task=TASK)
    assert (ran.result.stop_code, ran.result.exit_code) == ("no-toolchain", 50)
    assert f"the sandbox has no {program}," in ran.result.message
    assert "[checks] in factory/andon.toml" in ran.result.message
    assert not ran.model.calls


@pytest.mark.skipif(shutil.which("make", path=SEEN_INSIDE) is None, reason="needs make where a sandbox sees it")
def test_a_project_that_has_only_make_runs_by_exit_code(tmp_path: Path) -> None:
    makefile = "test:\n\tsh ./check.sh\nlint:\n\tsh -n check.sh\n"
    root = make_repository(
        tmp_path / "make", {"Makefile": makefile, "check.sh": "grep -q add calc.txt\n", "calc.txt": "add\n"}
    )
    ran = run(root, write("calc.txt", "add\nsub\n"), planned=["calc.txt"])
    assert outcome(ran) == ("delivered", "green")
    broken = run(
        make_repository(
            tmp_path / "again", {"Makefile": makefile, "check.sh": "grep -q add calc.txt\n", "calc.txt": "add\n"}
        ),
        write("calc.txt", "sub\n"),
        planned=["calc.txt"],
    )
    assert outcome(broken) == ("checks-failed", "red-new")


def test_a_project_without_tests_waits_for_a_person(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "prose", {"README.md": "# prose\n"})
    ran = run(root, write("README.md", "# better prose\n"), planned=["README.md"])
    assert outcome(ran) == ("no-evidence", "none")
    assert "No test command was found. Name one in [checks] of factory/andon.toml." in ran.result.warnings


def test_a_commit_without_files_waits_for_a_person_too(tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "commit", "-qm", "empty", "--allow-empty")
    ran = run(root, write("README.md", "# begun\n"), planned=["README.md"])
    assert outcome(ran) == ("no-evidence", "none")


def test_every_project_of_a_monorepo_is_checked_in_its_folder(tmp_path: Path) -> None:
    api = {f"services/api/{name}": content for name, content in PYTHON.items()}
    lib = {f"lib/{name}": content for name, content in PYTHON.items()}
    root = make_repository(tmp_path / "mono", {**api, **lib, "lib/setup.cfg": "", "services/api/pyproject.toml": ""})
    ran = run(root, write("lib/calc.py", CALC.replace("a + b", "a * b")), planned=["lib/calc.py"])
    assert outcome(ran) == ("checks-failed", "red-new")
    assert ran.result.checks is not None
    # Both projects hold a test of that name; only one of them broke.
    assert ran.result.checks.newly_failing == ["lib/tests/test_calc.py::test_add"]


# What is left alone


def test_a_submodule_stays_where_it_is_and_the_change_beside_it_is_delivered(tmp_path: Path) -> None:
    other = make_repository(tmp_path / "other", {"a.txt": "a\n"})
    root = make_repository(tmp_path / "repo", PYTHON)
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "libs/other")
    git(root, "commit", "-qm", "submodule")
    ran = run(root, sub())
    assert outcome(ran) == ("delivered", "green")
    assert changed(root) == [b"calc.py"]
    assert tree(root, BRANCH)[b"libs/other"] == b"160000 commit " + git(other, "rev-parse", "HEAD").encode()
    assert "Submodules are left alone, their files are not in the workspace: libs/other." in ran.result.warnings


def test_lfs_pointers_stay_pointers(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    lfs: dict[str | bytes, str | bytes] = {
        ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        "model.bin": pointer,
    }
    root = commit(tmp_path / "repo", {**RAW, **lfs})
    ran = run(root, sub())
    assert outcome(ran) == ("delivered", "green")
    assert changed(root) == [b"calc.py"]
    said = "Git LFS files are left as pointers, their contents are not in the workspace: *.bin."
    assert said in ran.result.warnings


# Where a repository lies, and what is checked out


def test_a_shallow_clone_gets_a_branch(tmp_path: Path) -> None:
    origin = make_repository(tmp_path / "origin", PYTHON)
    git(origin, "commit", "-qm", "second", "--allow-empty")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{origin}", "clone")
    ran = run(tmp_path / "clone", sub())
    assert outcome(ran) == ("delivered", "green")
    assert git(tmp_path / "clone", "rev-list", "--count", BRANCH) == "3"


def test_a_linked_worktree_gets_its_branch_in_the_common_repository(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", PYTHON)
    git(root, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "side.txt").write_text("side\n")
    git(tmp_path / "side", "add", "-A")
    git(tmp_path / "side", "commit", "-qm", "side")
    ran = run(tmp_path / "side", sub())
    assert outcome(ran) == ("delivered", "green")
    assert git(root, "rev-parse", f"{BRANCH}~2") == git(root, "rev-parse", "side")
    assert (tmp_path / "side" / ran.result.run_folder / "result.json").is_file()
    assert not (root / "factory").exists()


def test_a_detached_head_is_a_base_like_any_other(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", PYTHON)
    first = git(root, "rev-parse", "HEAD")
    git(root, "commit", "-qm", "second", "--allow-empty")
    git(root, "checkout", "-q", first)
    ran = run(root, sub())
    assert outcome(ran) == ("delivered", "green")
    assert git(root, "rev-parse", f"{BRANCH}~2") == first
    assert (root / ".git" / "HEAD").read_text() == f"{first}\n"


def refusal(root: Path, task: Task = TASK) -> str:
    """Return why no run can begin; nothing was asked of a model by then."""
    with pytest.raises(UserError) as caught:
        prepare(Repository.open(root), task, run_id="r", started=0, queued=False, toolchain=None)
    return str(caught.value)


@pytest.mark.parametrize("existing", ["factory", "factory/task-9-add-subtraction", "factory/task-9-add-subtraction/x"])
def test_a_branch_in_the_way_is_said_before_a_model_is_asked(tmp_path: Path, existing: str) -> None:
    root = make_repository(tmp_path / "repo", PYTHON)
    git(root, "branch", existing)
    said = refusal(root)
    assert f"'{existing}'" in said
    assert "git branch -" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to another user")
def test_a_repository_of_another_user_runs_once_its_owner_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "their own", PYTHON)
    for folder, _, names in os.walk(root):
        for name in ["", *names]:
            os.chown(os.path.join(folder, name), 1234, 1234, follow_symlinks=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    said = refusal(root)
    assert "belongs to another user" in said
    subprocess.run(shlex.split(said.split("`")[1]), check=True)
    ran = run(root, sub())
    assert outcome(ran) == ("delivered", "green")


def test_a_sha256_repository_is_refused_in_a_sentence(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "--object-format=sha256")
    git(root, "commit", "-qm", "empty", "--allow-empty")
    assert "sha256 object names" in refusal(root)


def test_a_factory_folder_that_is_a_link_in_the_commit_is_refused(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", PYTHON | {"elsewhere/andon.toml": ""})
    (root / "factory").symlink_to("elsewhere")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "link")
    assert refusal(root).startswith("factory is a symbolic link in the commit that is checked out")


def test_a_context_that_is_a_link_in_the_commit_is_refused(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", PYTHON | {"factory/context/real.json": "{}"})
    (root / "factory/context/project-context.json").symlink_to("real.json")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "link")
    assert refusal(root).startswith("factory/context/project-context.json is a symbolic link")


def test_a_factory_folder_that_is_a_link_in_the_working_tree_is_refused(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", PYTHON)
    (tmp_path / "outside").mkdir()
    (root / "factory").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="factory is a symbolic link"):
        run(root)
    assert list((tmp_path / "outside").iterdir()) == []


# Bytes


def test_what_nobody_changed_is_delivered_byte_for_byte(tmp_path: Path) -> None:
    odd: dict[str | bytes, str | bytes] = {
        b"caf\xe9.txt": "latin-1 name\n",
        b"caf\xe9/t\xff.bin": b"\0\xff",
        "with space.txt": "a\n",
        "quote\"'s.txt": "a\n",
        "new\nline.txt": "a\n",
        "tab\tand\\back.txt": "a\n",
        "-rf": "a\n",
        "--help/-x.txt": "a\n",
        "dot.": "a\n",
        ":(top)magic": "a\n",
        "*.txt": "a\n",
        "ünïcode/日本語.md": "a\n",
        "empty": "",
        "image.png": bytes(range(256)) * 40,
        "crlf.txt": "one\r\ntwo\r\n",
        "mixed.txt": "one\r\ntwo\nthree\r",
        "no-newline": "end",
        "ident.c": "/* $Id$ */\n",
        "version.txt": "$Format:%H$\n",
        "utf16.txt": "a\n".encode("utf-16"),
        "broken.utf16": b"abc",
        "evil.txt": "a\n",
        "lf.bat": "echo\n",
        ".gitattributes": "* text=auto\n*.txt text\n*.bat eol=crlf\n*.c ident\nversion.txt export-subst\n"
        "utf16.txt working-tree-encoding=UTF-16\nbroken.utf16 working-tree-encoding=UTF-16\nevil.txt filter=evil\n",
    }
    root = commit(tmp_path / "repo", {**RAW, **odd})
    git(root, "config", "filter.evil.smudge", "touch smudged; cat")
    os.symlink("calc.py", root / "link")
    os.symlink("/etc/passwd", root / "absolute")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    git(root, "add", "link", "absolute", "run.sh")
    git(root, "commit", "-qm", "links and modes")
    ran = run(root, sub())
    assert outcome(ran) == ("delivered", "green")
    assert changed(root) == [b"calc.py"]
    assert not list(tmp_path.rglob("smudged"))
    assert any("caf\\xe9.txt" in warning for warning in ran.result.warnings)


@pytest.mark.parametrize("name", [b"tests/test_caf\xe9.py", b"tests/test_a b.py", b"tests/data/-n 'o' d\xff.txt"])
def test_a_test_file_of_any_name_can_change(tmp_path: Path, name: bytes) -> None:
    root = commit(tmp_path / "repo", {**RAW, name: "X = 1\n"})
    script = f"import os\nopen({name!r}, 'w').write('X = 2\\n')\nos.remove(__file__)\n"
    go = call("run_command", command="python go.py")
    ran = run(root, sub(), write("go.py", script), go, planned=("calc.py", "tests"))
    assert outcome(ran) == ("delivered", "green")
    assert changed(root) == sorted([b"calc.py", name])


def test_a_test_file_becomes_a_folder_and_its_old_self_is_still_asked(tmp_path: Path) -> None:
    root = commit(tmp_path / "repo", {**RAW, "tests/data": "old\n"})
    script = "import os\nos.remove('tests/data')\nos.makedirs('tests/data')\nopen('tests/data/x', 'w').write('new')\n"
    script += "os.remove(__file__)\n"
    go = call("run_command", command="python go.py")
    ran = run(root, sub(), write("go.py", script), go, planned=("calc.py", "tests"))
    assert outcome(ran) == ("delivered", "green")
    assert changed(root) == [b"calc.py", b"tests/data", b"tests/data/x"]


def test_edits_keep_crlf_and_the_executable_bit_and_binary_files_change_too(tmp_path: Path) -> None:
    root = commit(tmp_path / "repo", {**RAW, "calc.py": CALC.replace("\n", "\r\n"), "logo.png": bytes(range(256))})
    (root / "calc.py").chmod(0o755)
    git(root, "-c", "core.autocrlf=false", "update-index", "--chmod=+x", "calc.py")
    git(root, "commit", "-qm", "executable")
    script = "import os\nopen('logo.png', 'ab').write(bytes(4))\nos.remove(__file__)\n"
    go = call("run_command", command="python go.py")
    ran = run(root, sub(), write("go.py", script), go, planned=("calc.py", "logo.png"))
    assert outcome(ran) == ("delivered", "green")
    assert changed(root) == [b"calc.py", b"logo.png"]
    assert feed(root, b"", "show", f"{BRANCH}:calc.py") == (CALC + "\n\n" + SUB_TEXT).replace("\n", "\r\n").encode()
    assert tree(root, BRANCH)[b"calc.py"].startswith(b"100755 ")
    assert [(file.path, file.added) for file in ran.result.files] == [("calc.py", 4), ("logo.png", None)]
