"""Fees and reminders of a rowing club."""
