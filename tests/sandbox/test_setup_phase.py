"""The set-up phase on both tiers: a package index on loopback is the allowed host, a second server the refused one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from egress_kit import Site, site
from sandbox_kit import sh
from setup_kit import NAME, PIN, index

from andon.records.errors import RunError
from andon.records.setup import SetupFacts
from andon.records.stops import StopCode
from andon.sandbox.egress_rules import AllowedHost
from andon.sandbox.repository import Repository
from andon.sandbox.setup_base import find_base
from andon.sandbox.setup_cache import SetupCache
from andon.sandbox.setup_phase import SetupLacks, set_up
from andon.sandbox.setup_plan import SetupPlan
from andon.sandbox.start import Tier, start_sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.toolchain import Toolchain, find_toolchain

VENV = "/opt/project/venv"
INSTALL = f"python3 -m venv {VENV} && {VENV}/bin/python -m pip install -q --require-hashes -r requirements.txt"


@pytest.fixture
def there() -> Iterator[Site]:
    with site(index()) as found:
        yield found


@pytest.fixture
def cache(tmp_path: Path) -> SetupCache:
    return SetupCache.of({"XDG_CACHE_HOME": str(tmp_path / "cache")})


def plan_for(there: Site, script: str = INSTALL, **changes: object) -> SetupPlan:
    plan = SetupPlan(
        origins=("requirements.txt",),
        files={"requirements.txt": PIN.encode()},
        script=f"set -eu\n{script}\n",
        programs=(),
        hosts=(AllowedHost.parse(there.host),),
        env={"PIP_INDEX_URL": f"http://{there.host}/simple", "PIP_CONFIG_FILE": "/dev/null"},
        results=((VENV, VENV),),
        bin_dirs=(f"{VENV}/bin",),
        later_env={"VIRTUAL_ENV": VENV},
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


class Phase:
    """Runs set-ups of one store on one tier."""

    def __init__(self, store: TreeStore, tier: Tier, cache: SetupCache, repository: Repository) -> None:
        self.store, self.tier, self.cache, self.repository = store, tier, cache, repository
        self.started = 0

    async def run(self, plan: SetupPlan, time_limit: float = 120.0) -> tuple[Toolchain, SetupFacts]:
        toolchain = find_toolchain(None)

        def begun() -> None:
            self.started += 1

        return await set_up(
            plan, store=self.store, cache=self.cache, base=find_base(self.tier, toolchain), toolchain=toolchain,
            time_limit=time_limit, run_id="test", on_start=begun,
        )  # fmt: skip

    async def inside(self, toolchain: Toolchain, script: str) -> tuple[int, str]:
        """Run a script in an ordinary sandbox on the base."""
        head = self.repository.head()
        sandbox = await start_sandbox(
            self.store, tree=self.store.tree_of(head), commit=head, toolchain=toolchain, tier=self.tier, run_id="test"
        )
        try:
            return await sh(sandbox, script)
        finally:
            await sandbox.close()


@pytest.fixture
def phase(store: TreeStore, tier: Tier, cache: SetupCache, repository: Repository) -> Phase:
    return Phase(store, tier, cache, repository)


async def test_what_was_installed_is_there_afterwards_and_is_not_installed_again(phase: Phase, there: Site) -> None:
    plan = plan_for(there)
    toolchain, facts = await phase.run(plan)
    assert [(one.host, one.port, one.outcome) for one in facts.hosts] == [("127.0.0.1", there.port, "allowed")]
    assert (facts.cached, facts.origins, phase.started) == (False, ["requirements.txt"], 1)
    code, said = await phase.inside(toolchain, f"python -c 'import {NAME}; print({NAME}.ANSWER)'; echo $VIRTUAL_ENV")
    assert (code, said) == (0, f"42\n{VENV}\n")
    code, said = await phase.inside(toolchain, f"touch {VENV}/x || touch {VENV}/bin/python")
    assert code != 0 and "ead-only" in said
    asked = len(there.requests)
    again, cached = await phase.run(plan)
    assert (again, cached.digest, cached.cached, cached.hosts, phase.started) == (toolchain, facts.digest, True, [], 1)
    assert len(there.requests) == asked


FETCH = "python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])'"
"""Asks the proxy as any client does."""


async def test_everything_else_is_refused_and_the_failure_says_what_and_how(phase: Phase, there: Site) -> None:
    with site({"/x": b"secret"}) as other:
        with pytest.raises(RunError) as caught:
            await phase.run(
                plan_for(there, f"{FETCH} http://{there.host}/simple/{NAME}/; {FETCH} http://{other.host}/x")
            )
        assert (len(there.requests), other.requests) == (1, [])
    said = str(caught.value)
    assert caught.value.code is StopCode.SETUP_FAILED
    assert f"  {other.host} (it is not among the hosts the set-up may reach)" in said.splitlines()
    assert said.startswith(
        "dependencies of requirements.txt could not be installed: the set-up ended with exit code 1."
    )
    assert "403" in said.partition("The last it said:")[2]
    assert list(phase.cache.path.iterdir()) == []


async def test_it_sees_its_files_alone_and_nothing_of_the_host(
    phase: Phase, there: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:hunter2@index.example/simple")
    script = (
        "find . -path ./.git -prune -o -type f -print; git log --format=%s; git rev-list --all --objects | wc -l; "
        "env | sort | grep -i -e secret -e hunter2; ls -A ~ 2>&1; "
        "ls /root /home /etc/pip.conf ~/.netrc 2>&1 | grep -v -e 'No such' -e 'cannot' ; exit 3"
    )
    with pytest.raises(RunError) as caught:
        await phase.run(plan_for(there, script))
    said = str(caught.value).partition("The last it said:\n")[2]
    lines = [line.strip() for line in said.splitlines() if not line.strip().startswith("/")]
    assert lines == ["./requirements.txt", "set-up", "3"]


async def test_only_the_phase_has_a_way_out(phase: Phase, there: Site) -> None:
    toolchain, _ = await phase.run(plan_for(there, f"{FETCH} http://{there.host}/simple/{NAME}/"))
    assert len(there.requests) == 1
    code, said = await phase.inside(
        toolchain, f"{FETCH} http://{there.host}/simple/{NAME}/; env | grep -i -c proxy; ls /opt/egress"
    )
    assert (code != 0, "Connection refused" in said, "\n0\n" in said, "No such file" in said) == (True,) * 4
    assert len(there.requests) == 1


async def test_a_set_up_that_does_not_end_is_stopped(phase: Phase, there: Site, nap: str) -> None:
    with pytest.raises(RunError, match=r"was stopped after 1 s") as caught:
        await phase.run(plan_for(there, f"echo begun; sleep {nap}"), time_limit=1)
    assert (caught.value.code, "  begun" in str(caught.value)) == (StopCode.SETUP_FAILED, True)


async def test_a_program_it_needs_and_nobody_has_is_named(phase: Phase, there: Site) -> None:
    with pytest.raises(SetupLacks, match="the set-up needs no-such-program, which the sandbox lacks") as caught:
        await phase.run(plan_for(there, programs=("sh", "no-such-program")))
    assert (caught.value.code, caught.value.tier) == (StopCode.NO_TOOLCHAIN, phase.tier)


async def test_links_it_leaves_lead_nowhere_on_the_host(phase: Phase, there: Site, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    script = f"rm -rf {VENV} 2>/dev/null || :; ln -s {tmp_path} {VENV}/out"
    toolchain, _ = await phase.run(plan_for(there, script))
    code, said = await phase.inside(toolchain, f"cat {VENV}/out/secret")
    assert (code, "No such file" in said) == (1, True)
