"""The commands, in the order of the help."""

from cookbook.commands import find, show

COMMANDS = (find, show)
