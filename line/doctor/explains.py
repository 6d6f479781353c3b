"""Which checks of `andon doctor` say more about why a run stopped."""

_CHECKS = {
    "no-sandbox": "sandbox",
    "no-image": "sandbox.docker",
    "engine-gone": "sandbox.docker",
    "sandbox-lost": "sandbox",
    "sandbox-memory": "sandbox",
    "sandbox-full": "sandbox",
    "worker-dead": "sandbox",
    "worker-silent": "sandbox",
    "worker-forged": "sandbox",
    "no-toolchain": "repository.checks",
    "no-evidence": "repository.checks",
    "setup-failed": "repository.setup",
    "provider-failed": "model",
    "disk-failed": "disk",
    "database-gone": "database",
    "lane-halted": "queue",
    "usage": "repository",
}
"""By stop code; what a doctor cannot explain is left out."""
_PAYS = "model"


def explaining(code: str) -> str:
    """Return the command whose checks say more about a stop, or an empty string where none does."""
    check = _CHECKS.get(code, "")
    if not check:
        return ""
    return f"andon doctor {check} --call" if check == _PAYS else f"andon doctor {check}"
