from pathlib import Path

import pytest

from andon.sandbox.cgroup_places import Mount, Place, find_places, read_mounts

_OLD = """
24 22 0:21 / /proc rw,nosuid - proc proc rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/c1 /sys/fs/cgroup/memory ro,relatime shared:4 - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/with\\040space rw - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
""".strip()

_MEMORY, _PIDS = frozenset({"memory"}), frozenset({"pids"})


def unified(root: Path, *giving: str, at: str = "/") -> list[Mount]:
    """A v2 hierarchy in which the groups named give both controllers to groups in them."""
    for folder in [root, *root.rglob("*")]:
        if folder.is_dir():
            (folder / "cgroup.subtree_control").write_text("\n")
    for group in giving:
        (root / group / "cgroup.subtree_control").write_text("cpu memory pids\n")
    return [Mount(at, root, frozenset(), unified=True)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "app.slice" / "a.scope").mkdir(parents=True)
    return tmp_path


def test_the_mounted_hierarchies_are_read() -> None:
    assert read_mounts(_OLD) == [
        Mount("/", Path("/sys/fs/cgroup/cpu,cpuacct"), frozenset(), unified=False),
        Mount("/docker/c1", Path("/sys/fs/cgroup/memory"), _MEMORY, unified=False),
        Mount("/", Path("/sys/fs/with space"), _PIDS, unified=False),
        Mount("/", Path("/sys/fs/cgroup/unified"), frozenset(), unified=True),
    ]


def test_under_v1_there_is_a_place_in_each_hierarchy_below_the_processs_own_group() -> None:
    membership = "8:pids:/user/a:b\n4:memory:/docker/c1/x\n1:name=systemd:/\n0::/\n"
    assert find_places(read_mounts(_OLD), membership) == [
        Place(Path("/sys/fs/cgroup/memory/x"), _MEMORY, unified=False),
        Place(Path("/sys/fs/with space/user/a:b"), _PIDS, unified=False),
    ]


def test_controllers_mounted_together_are_one_place() -> None:
    mounts = read_mounts("1 2 0:1 / /cg rw - cgroup cgroup rw,memory,pids")
    assert find_places(mounts, "3:pids,memory:/a\n") == [Place(Path("/cg/a"), _MEMORY | _PIDS, unified=False)]


@pytest.mark.parametrize(
    "membership", ["8:pids:/a\n4:memory:/elsewhere\n", "8:pids:/a\n4:memory:/../c1\n", "8:pids:/\n"]
)
def test_a_hierarchy_that_does_not_show_the_processs_group_is_no_place(membership: str) -> None:
    assert find_places(read_mounts(_OLD), membership) == (
        "only a part of the control groups of memory and processes is mounted"
    )


@pytest.mark.parametrize(
    ("giving", "membership", "parent"),
    [
        pytest.param(["app.slice/a.scope"], "0::/app.slice/a.scope\n", "app.slice/a.scope", id="in its own group"),
        pytest.param(["app.slice"], "0::/app.slice/a.scope\n", "app.slice", id="beside its own group"),
        pytest.param([""], "0::/app.slice\n", "", id="below the root"),
    ],
)
def test_under_v2_there_is_one_place(root: Path, giving: list[str], membership: str, parent: str) -> None:
    assert find_places(unified(root, *giving), membership) == [Place(root / parent, _MEMORY | _PIDS, unified=True)]


def test_under_v2_no_place_is_found_further_away_than_beside(root: Path) -> None:
    assert find_places(unified(root, ""), "0::/app.slice/a.scope\n") == (
        "the control group of this process gives no limits on memory and processes to groups in it or beside it"
    )


@pytest.mark.parametrize("membership", ["", "0::/../other\n", "nonsense", "0::relative\n"])
def test_a_process_whose_group_is_not_shown_has_no_place(root: Path, membership: str) -> None:
    assert find_places(unified(root, "app.slice"), membership) == "no control group of this process is mounted"


def test_a_hierarchy_mounted_from_above_the_own_namespace_is_no_place(root: Path) -> None:
    assert find_places(unified(root, "", at="/.."), "0::/\n") == "no control group of this process is mounted"


def test_a_machine_without_control_groups_has_no_place() -> None:
    assert find_places([], "0::/\n") == "no control group of this process is mounted"
