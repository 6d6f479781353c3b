"""What a step of the line says to a model that handed over something it cannot take; loads no agent SDK."""


class Repairable(Exception):
    """The sender can mend this: the message says what is wrong and what to do, and reaches the model as it is."""


class Declined(Repairable):
    """A person said no. It goes back to the sender like any refusal, but says nothing against the model."""
