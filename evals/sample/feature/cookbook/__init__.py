"""A cookbook for the command line."""
