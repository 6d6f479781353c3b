"""The set-up phase: one sandbox that sees manifests and lock files alone, and is the only one with a way out."""

import asyncio
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from andon.records.errors import RunError
from andon.records.setup import HostAsked, SetupFacts
from andon.records.stops import StopCode
from andon.sandbox.egress import SOCKET_NAME, EgressProxy, open_egress
from andon.sandbox.private_folders import make_private_folder
from andon.sandbox.protocol import REGULAR, Finished, Sandbox
from andon.sandbox.remove import remove_tree
from andon.sandbox.setup_base import SetupBase
from andon.sandbox.setup_cache import SetupCache
from andon.sandbox.setup_plan import SetupPlan
from andon.sandbox.start import start_sandbox
from andon.sandbox.store import Change, TreeStore
from andon.sandbox.toolchain import Mount, Toolchain

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_EGRESS = "/opt/egress"
"""Where the proxy's folder lies inside, while the phase lasts."""
_PORT = 3128
_MISSING = 'for name do command -v -- "$name" >/dev/null || printf "%s\\n" "$name"; done'
_LINES = 20
"""Lines of output a failure is told with."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "npm_config_proxy", "npm_config_https_proxy",
            "CARGO_HTTP_PROXY")  # fmt: skip
_CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO",
                 "GIT_SSL_CAINFO")  # fmt: skip


class SetupLacks(RunError):
    """The base of a set-up lacks programs it needs."""

    def __init__(self, tier: str, programs: list[str]) -> None:
        super().__init__(StopCode.NO_TOOLCHAIN, f"the set-up needs {', '.join(programs)}, which the sandbox lacks")
        self.tier = tier
        self.programs = programs


async def set_up(
    plan: SetupPlan,
    *,
    store: TreeStore,
    cache: SetupCache,
    base: SetupBase,
    toolchain: Toolchain,
    time_limit: float,
    run_id: str = "",
    on_start: Callable[[], None] = lambda: None,
) -> tuple[Toolchain, SetupFacts]:
    """Return `toolchain` with the results of `plan` on `base`, from the cache or made now, and what is known of them.

    `time_limit` in seconds. `on_start` is called if it has to be made.

    Raises:
        RunError: `setup-failed` with the last lines of output and the hosts that were refused; `no-toolchain`
            (`SetupLacks`) if the base lacks a program; or as `start_sandbox`.
        UserError: as `start_sandbox`.
    """
    digest = plan.digest(base.identity)
    facts = await asyncio.to_thread(cache.find, digest)
    if facts is None:
        on_start()
        facts = await _make(plan, digest, store, cache, base, toolchain, time_limit, run_id)
    mounts = tuple(
        Mount(str(cache.folder(digest, number)), target)
        for number, (_, target) in enumerate(plan.results)
        if any(os.scandir(cache.folder(digest, number)))
    )
    return toolchain.adding(mounts, plan.bin_dirs, tuple(plan.later_env.items())), facts


async def _make(
    plan: SetupPlan,
    digest: str,
    store: TreeStore,
    cache: SetupCache,
    base: SetupBase,
    toolchain: Toolchain,
    time_limit: float,
    run_id: str,
) -> SetupFacts:
    started = time.monotonic()
    draft = await asyncio.to_thread(cache.draft)
    egress = make_private_folder()
    try:
        _furnish(egress / "inside")
        mounts = [Mount(str(draft.folder(n)), inside, writable=True) for n, (inside, _) in enumerate(plan.results)]
        mounts.append(Mount(str(egress / "inside"), _EGRESS))
        tree = store.build(EMPTY_TREE, [Change(path.encode(), REGULAR, text) for path, text in plan.files.items()])
        # A commit of its own: the base commit would bring the sources along.
        sandbox = await start_sandbox(
            store,
            tree=tree,
            commit=store.commit(tree, None, "set-up", when=0),
            toolchain=toolchain.adding(tuple(mounts), (), ()),
            tier=base.tier,
            run_id=run_id,
        )
        try:
            asked = await _run(plan, sandbox, egress / "inside", time_limit)
        finally:
            # Elsewhere the user inside is another one than the one who removes it.
            await _open_up(sandbox, plan)
            await sandbox.close()
        seconds = round(time.monotonic() - started, 3)
        facts = SetupFacts(digest=digest, origins=list(plan.origins), cached=False, seconds=seconds, hosts=asked)
        await asyncio.to_thread(cache.keep, draft, facts)
        return facts
    except BaseException:
        await asyncio.to_thread(draft.discard)
        raise
    finally:
        await asyncio.to_thread(remove_tree, egress)


def _furnish(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    relay = Path(__file__).with_name("egress_relay.py")
    (folder / "relay.py").write_bytes(relay.read_bytes())
    # Public keys of authorities, also those that a person's own network adds.
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    known = [Path(path) for path in (named, "/etc/ssl/certs/ca-certificates.crt") if path]
    (folder / "ca.pem").write_bytes(next((path.read_bytes() for path in known if path.is_file()), b""))


async def _run(plan: SetupPlan, sandbox: Sandbox, egress: Path, time_limit: float) -> list[HostAsked]:
    looked = await sandbox.run(["sh", "-c", _MISSING, "sh", "python3", *plan.programs])
    missing = looked.output.decode("utf-8", "replace").split()
    if missing or looked.exit_code != 0:
        raise SetupLacks(sandbox.tier, missing or ["sh"])
    env = dict(plan.env) | dict.fromkeys(_PROXIES, f"http://127.0.0.1:{_PORT}")
    if (egress / "ca.pem").stat().st_size:
        env |= dict.fromkeys(_CERTIFICATES, f"{_EGRESS}/ca.pem")
    relay = ["python3", "-I", f"{_EGRESS}/relay.py", f"{_EGRESS}/{SOCKET_NAME}", str(_PORT)]
    async with open_egress(egress, plan.hosts) as proxy:
        done = await sandbox.run([*relay, "sh", "-c", plan.script], env=env, time_limit=time_limit, output_cap=200_000)
    if done.exit_code != 0:
        raise RunError(StopCode.SETUP_FAILED, _failure(plan, done, proxy, time_limit))
    return proxy.asked()


def _failure(plan: SetupPlan, done: Finished, proxy: EgressProxy, time_limit: float) -> str:
    how = f"was stopped after {time_limit:g} s" if done.timed_out else f"ended with exit code {done.exit_code}"
    lines = [f"dependencies of {', '.join(plan.origins)} could not be installed: the set-up {how}."]
    refused = [f"  {one.host}:{one.port} ({one.reason})" for one in proxy.asked() if one.outcome == "refused"]
    lines += ["It was not connected to:", *refused] if refused else []
    said = [line for line in done.output.decode("utf-8", "replace").splitlines() if line.strip()]
    lines += ["The last it said:", *(f"  {line[:500]}" for line in said[-_LINES:])] if said else []
    return "\n".join(lines)


async def _open_up(sandbox: Sandbox, plan: SetupPlan) -> None:
    if sandbox.tier != "docker":
        return
    try:
        await sandbox.run(["chmod", "-R", "a+rwX", "--", *(inside for inside, _ in plan.results)])
    except RunError:
        # It is lost; what can be removed without its help is.
        return
