"""What a run leaves that delivered nothing: where the change is, and that it can be taken."""

import subprocess
from pathlib import Path

from lane_kit import (
    CHANGE,
    FILES,
    SUB,
    SUB_TEST,
    Ran,
    call,
    git,
    make_repository,
    plan,
    report,
    review,
    run_line,
    write,
)

DO_IT_ALL = """import os, pathlib
pathlib.Path("logo.bin").write_bytes(bytes(range(256)))
pathlib.Path("old.bin").write_bytes(b"\\x00new\\x00")
pathlib.Path("latin.txt").write_bytes(b"caf\\xe9\\n")
pathlib.Path("crlf.txt").write_bytes(b"one\\r\\nthree\\r\\n")
os.chmod("run.sh", 0o755)
os.symlink("calc.py", "link.py")
pathlib.Path("gone.txt").unlink()
pathlib.Path("with space é.txt").write_text("x\\n")
pathlib.Path("make.py").unlink()
"""


def failed(root: Path) -> Ran:
    return run_line(root, [plan()], *CHANGE, [report()], [review("fail")])


def taken(ran: Ran) -> str:
    """Take the change by the command the remedy ends with, and return the id of the tree that makes."""
    command = ran.result.remedy.rpartition("To take the change as it is: ")[2]
    subprocess.run(["/bin/sh", "-c", command], cwd=ran.root, check=True, capture_output=True)
    git(ran.root, "add", "-A", "--", ".", ":!factory")
    return git(ran.root, "write-tree")


def test_the_remedy_ends_with_the_command_that_takes_the_change(tmp_path: Path) -> None:
    ran = failed(make_repository(tmp_path / "repo", FILES))
    assert ran.result.remedy.endswith(" To take the change as it is: git apply factory/runs/task-001/diff.patch")
    assert taken(ran) == ran.result.tree


def test_binary_files_links_modes_line_ends_and_odd_names_are_taken_as_they_are(tmp_path: Path) -> None:
    files = FILES | {"run.sh": "echo\n", "gone.txt": "x\n", "old.bin": "\0old\0", "crlf.txt": "one\r\ntwo\r\n"}
    root = make_repository(tmp_path / "repo", files)
    go = call("run_command", command="python make.py")
    ran = run_line(
        root,
        [plan(files=["calc.py", "run.sh", "gone.txt", "old.bin", "crlf.txt"])],
        [write("make.py", DO_IT_ALL)],
        [go],
        [report()],
        [review("fail")],
    )
    assert len(ran.result.files) == 8, ran.result.message
    assert taken(ran) == ran.result.tree


def test_the_papers_name_the_patch_and_not_a_branch_that_does_not_exist(tmp_path: Path) -> None:
    ran = failed(make_repository(tmp_path / "repo", FILES))
    for name in ("proposal.md", "pr-body.md"):
        text = (ran.folder / name).read_text()
        assert (
            f"No branch was made. The change is kept as `factory/runs/task-001/diff.patch` (tree `{ran.result.tree}`)"
            in text
        )
        assert "factory/task-001-add-subtraction" not in text


def test_a_run_that_changed_nothing_offers_no_patch(tmp_path: Path) -> None:
    ran = run_line(make_repository(tmp_path / "repo", FILES), [plan()], [report()], [report()])
    assert (ran.result.tree, "git apply" in ran.result.remedy) == (None, False)
    assert not (ran.folder / "diff.patch").exists()


def test_the_lesson_of_the_executor_is_kept_apart_as_its_own(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    ran = run_line(root, [plan()], *CHANGE, [report(lesson="calc.py has no types.")], [review()])
    facts, _, lesson = (ran.folder / "memory.md").read_text().partition("## Lesson proposed by the executor")
    assert ("> calc.py has no types." in lesson, "no types" in facts) == (True, False)


def test_the_summary_of_the_executor_is_no_lesson(tmp_path: Path) -> None:
    ran = run_line(make_repository(tmp_path / "repo", FILES), [plan()], *CHANGE, [report()], [review()])
    assert "added sub" not in (ran.folder / "memory.md").read_text()
    assert "esson" not in (ran.folder / "memory.md").read_text()


def test_notes_on_the_sandbox_stand_at_the_end_of_the_pr_body(tmp_path: Path) -> None:
    ran = run_line(make_repository(tmp_path / "repo", FILES), [plan()], *CHANGE, [report()], [review()])
    first, *_, last = (ran.folder / "pr-body.md").read_text().split("\n## ")
    assert "sandbox" not in first
    assert bool(ran.result.warnings) == last.startswith("Notes on the run\n")


def test_what_the_reviewers_tests_leave_is_not_in_the_tree_that_was_checked(tmp_path: Path) -> None:
    leaves = SUB_TEST + '\n\ndef test_leaves():\n    open("left.txt", "w").close()\n'
    change = [[write("tests/test_calc.py", leaves)], [write("calc.py", SUB)]]
    root = make_repository(tmp_path / "repo", FILES)
    ran = run_line(root, [plan()], *change, [report()], [call("run_tests")], [review("fail")])
    assert ran.result.stop_code == "failed-review", ran.result.message
    assert [file.path for file in ran.result.files] == ["calc.py", "tests/test_calc.py"]
    assert ran.result.checks is not None
    assert taken(ran) == ran.result.tree
