"""Kill every process of a container but the two that keep it."""

import asyncio

from docker import APIClient

from andon.sandbox.docker_options import KEEPER, USER

# kill(2) with -1 reaches every process the user may signal but the caller, also what left its session or is being
# forked; the keeper's processes belong to somebody else. It returns before they are gone.
_SCRIPT = """
while :; do
    kill -KILL -1 2>/dev/null
    left=
    for status in /proc/[0-9]*/status; do
        [ "$status" = "/proc/$$/status" ] && continue
        while read -r key value _; do
            case $key in
                State:) state=$value ;;
                Uid:) [ "$value" = "$1" ] || [ "$state" = Z ] || left=$status; break ;;
            esac
        done < "$status"
    done 2>/dev/null
    [ "$left" ] || exit 0
done
"""


async def sweep(api: APIClient, container: str) -> None:
    """Return when no process of a command is alive in the container.

    Raises:
        DockerException, RequestException, OSError: the engine or the container is gone.
    """
    while await asyncio.to_thread(_sweep, api, container) != 0:
        # Killed by what it was to kill, which is fewer now.
        continue


def _sweep(api: APIClient, container: str) -> int | None:
    argv = ["/bin/sh", "-c", _SCRIPT, "sh", KEEPER.partition(":")[0]]
    made = api.exec_create(container, argv, user=USER, workdir="/")
    api.exec_start(made["Id"])
    code: int | None = api.exec_inspect(made["Id"])["ExitCode"]
    return code
