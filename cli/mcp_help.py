"""What `andon mcp --help` says: registering it with the usual clients, and what its exit codes mean."""

MCP_HELP = """\
Serve andon's nine tools over stdin and stdout to a client of the Model Context Protocol, and two more:
submit_change checks the change in fresh sandboxes and makes a branch of it, session_status says what differs so far.
The client works on an isolated copy of the commit HEAD names; your files, index, branch and configuration are not
touched. No model key is needed: the client brings the model. Clients start this command themselves:

  Claude Code   claude mcp add andon -- andon mcp -C /path/to/repository

  VS Code       .vscode/mcp.json
                {"servers": {"andon": {"type": "stdio", "command": "andon",
                                       "args": ["mcp", "-C", "${workspaceFolder}"]}}}

  Cursor        .cursor/mcp.json
                {"mcpServers": {"andon": {"command": "andon", "args": ["mcp", "-C", "${workspaceFolder}"]}}}

  Codex         ~/.codex/config.toml
                [mcp_servers.andon]
                command = "andon"
                args = ["mcp", "-C", "/path/to/repository"]
                tool_timeout_sec = 1800

What only a person may allow is asked in a form where the client shows forms (MCP elicitation), and else answers with
the id of a question: read it with `andon approve ID` in a terminal, then have the client make the same call again.
A client can answer its own form without you; `elicitation = false` under [approvals] in factory/andon.toml leaves forms
out, and the papers of a session say how each answer came.

submit_change runs your tests at least twice: give it the time they need, as with tool_timeout_sec above.
A session keeps events and papers in factory/runs/ide-…/, or in factory/.state/runs/ if nothing was changed.
"""

MCP_EXITS = """\
exit codes:
  0   a branch was delivered
  2   usage or configuration: the message on stderr says what to mend
  10  the last submission was not delivered, a person must decide (tests changed, no evidence, flaky)
  21  the last submission was not delivered, its checks are red
  50  sandbox or toolchain missing, or the sandbox died
  70  a fault in andon
  130 the session ended (end of input, Ctrl-C, SIGTERM) and what it held was not submitted; the tree is kept
"""
