"""A small service that shows stocks."""
