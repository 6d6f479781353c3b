"""The bare loop andon is measured against: the Agents SDK, three tools, no sandbox, no policy, no evidence.

Run as a script with the project's folder as its argument; the endpoint comes from OPENAI_BASE_URL.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from agents import Agent, Runner, function_tool, set_tracing_disabled


def _agent(root: Path) -> Agent[None]:
    @function_tool
    def run_tests() -> str:
        """Run the tests."""
        # Without -B a rewritten file of the same size meets its stale bytecode.
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout

    @function_tool
    def read_file(path: str) -> str:
        """Read a file."""
        return (root / path).read_text("utf-8")

    @function_tool
    def edit_file(path: str, old: str, new: str) -> str:
        """Replace text in a file."""
        (root / path).write_text((root / path).read_text("utf-8").replace(old, new), "utf-8")
        return "edited"

    return Agent(name="floor", instructions="Fix the failing test.", tools=[run_tests, read_file, edit_file])


def main() -> None:
    """Do the job and print the model's last words."""
    set_tracing_disabled(True)
    result = asyncio.run(Runner.run(_agent(Path(sys.argv[1])), "Fix the bug that the failing test shows."))
    print(result.final_output)


if __name__ == "__main__":
    main()
