"""Findings whose file or line is not there."""

import pytest

from andon.context.findings import misplaced
from andon.records.review import Finding

DIFF = """\
diff --git a/calc.py b/calc.py
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,3 @@
 one
+two
 three
@@ -40,3 +41,2 @@
 a
-b
 c
diff --git a/gone.py b/gone.py
deleted file mode 100644
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-x
"""


def found(path: str, line: int, severity: str = "must-fix") -> Finding:
    return Finding.model_validate({"severity": severity, "path": path, "line": line, "problem": "p"})


@pytest.mark.parametrize(
    "finding",
    [
        found("calc.py", 0),
        found("calc.py", 3),
        found("calc.py", 42),
        found("gone.py", 0),
        found("README.md", 0),
        found("", 0),
        found("nowhere.py", 9, "note"),
    ],
)
def test_a_finding_at_a_place_of_the_change_or_at_a_file_of_the_base_stands(finding: Finding) -> None:
    assert misplaced([finding], DIFF, {"calc.py", "README.md", "gone.py"}) == []


def test_a_must_fix_at_a_place_that_is_not_there_is_told_with_what_to_do() -> None:
    wrong = [found("calc.py", 20), found("README.md", 3), found("gone.py", 1), found("new.py", 0), found("a\nb", 0)]
    assert misplaced(wrong, DIFF, {"calc.py", "README.md", "gone.py"}) == [
        "line 20 of calc.py is not in the diff: name one that is, or 0",
        "line 3 of README.md is not in the diff: name one that is, or 0",
        "line 1 of gone.py is not in the diff: name one that is, or 0",
        "new.py is no file of the change or of the base",
        "a\\x0ab is no file of the change or of the base",
    ]
