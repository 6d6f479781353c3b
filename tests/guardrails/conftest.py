"""A real sandbox on a real repository."""

from workspace_kit import start as start
