"""What of the base stands near a task or a plan."""

from collections.abc import Callable, Mapping

from andon.context.near import near_plan, near_task
from andon.context.reader import Reader
from andon.records.plan import PlanPayload
from andon.records.task import Task

MakeReader = Callable[[Mapping[str, str | bytes]], Reader]
FILES = {
    "docs/a.md": "A",
    "docs/deep/b.md": "B",
    "app/page.py": "import app.store\n",
    "app/store.py": "def read(): ...\n",
}


def plan(*files: str, steps: tuple[str, ...] = ("Write it",)) -> PlanPayload:
    return PlanPayload(
        summary="Do it.", acceptance_criteria=["It works"], steps=list(steps), files=list(files), tests=[], risks=[]
    )


def test_what_of_the_task_is_a_folder_is_known(reader: MakeReader) -> None:
    paths = ["docs", "./docs/deep/", "docs/a.md", "doc", "nowhere/"]
    task = Task(id="t", title="Mend it", context_paths=paths)
    assert near_task(reader(FILES), task).folders == ["docs", "./docs/deep/"]
    assert near_plan(reader(FILES), task, plan("x.py")).folders == ["docs", "./docs/deep/"]


def test_files_of_the_plan_that_the_base_does_not_have_are_new(reader: MakeReader) -> None:
    wanted = plan("app/page.py", "`app/new.py`", "docs/", "docs/more/", "app/*.toml", "app/new.py", "")
    assert near_plan(reader(FILES), Task(id="t", title="x"), wanted).new == ["app/new.py", "docs/more/"]


def test_related_files_follow_from_the_plans_words_and_from_the_change_so_far(reader: MakeReader) -> None:
    task = Task(id="t", title="x")
    diff = "diff --git a/x.py b/x.py\n--- /dev/null\n+++ b/x.py\n@@ -0,0 +1 @@\n+from app import store\n"
    outlines = ["app/store.py", "  1 def read(): ..."]
    assert near_plan(reader(FILES), task, plan("x.py", steps=("Use app/store.py",))).outlines == outlines
    assert near_plan(reader(FILES), task, plan("x.py"), diff=diff).outlines == outlines
    assert near_plan(reader(FILES), task, plan("x.py")).outlines == []
