"""The papers a run keeps."""

import json
from pathlib import Path

from andon.line.run_folder import RunFolder

KEY = "gh" + "p_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"


def test_papers_hold_no_secret_and_a_patch_stays_what_applies(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "20261124-120000-aaaaaa", "task-001")
    plan = {"summary": f"use {KEY}\n", "steps": ["a", f'say "{KEY}"'], "rounds": 1, "share": 0.5, "none": None}
    folder.write("plan.json", json.dumps(plan, indent=2) + "\n")
    folder.write("proposal.md", f"use {KEY}\n")
    folder.write("diff.patch", f"+key = '{KEY}'\n".encode())
    folder.release()
    assert {name: data.decode() for name, data in folder.papers.items()} == {
        "plan.json": (json.dumps(plan, indent=2) + "\n").replace(KEY, "[redacted: github-token]"),
        "proposal.md": "use [redacted: github-token]\n",
        "diff.patch": f"+key = '{KEY}'\n",
    }
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == folder.papers


def test_a_paper_without_secrets_is_kept_to_the_byte(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "20261124-120000-aaaaaa", "task-001")
    text = '{"tree":   "4b825dc642cb6eb9a060e54bf8d69288fbee4904",\n "é": 1.50}'
    folder.write("result.json", text)
    folder.release()
    assert folder.papers == {"result.json": text.encode()}
