"""Proposes what a workshop has to order."""
