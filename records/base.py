"""What every paper has in common: strict fields, frozen values, docstrings that reach the JSON Schema."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A paper that travels between rooms. Unknown fields are refused, values do not change after they are made."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)
