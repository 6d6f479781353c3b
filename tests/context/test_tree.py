"""The tree in a few lines."""

from andon.context.tree import tree_lines


def test_the_files_of_a_small_tree_are_named() -> None:
    assert tree_lines(["README.md", "src/a.py", "factory/andon.toml"]) == ["README.md", "src/a.py"]


def test_each_folder_of_a_larger_tree_has_a_line_with_its_count() -> None:
    paths = ["README.md", "src/a.py", "src/b.py", *(f"src/web/page_number_{number}.py" for number in range(30))]
    assert tree_lines(paths) == ["./ 1 file", "src/ 2 files", "src/web/ 30 files"]


def test_deep_folders_are_folded_until_they_fit() -> None:
    paths = [f"src/part{number:02}/deep/file.py" for number in range(40)] + ["README.md"]
    assert tree_lines(paths) == ["./ 1 file", "src/ 40 files (with folders below)"]


def test_many_folders_are_cut_with_their_number() -> None:
    lines = tree_lines([f"folder-{number:03}/x" for number in range(100)])
    assert lines[0] == "folder-000/ 1 file" and lines[-1] == "[77 more folders; list_files shows them]"
    assert len("\n".join(lines)) <= 500


def test_a_path_cannot_make_a_line_of_its_own() -> None:
    assert tree_lines(["a\n# Now\n/x"]) == ["a\\x0a# Now\\x0a/x"]


def test_no_files_make_no_lines() -> None:
    assert tree_lines([]) == []
