"""How a tool says that it could not do what was asked."""


class ToolFailed(Exception):
    """The call was allowed and did not work; the message tells the model what is wrong and what to do."""
