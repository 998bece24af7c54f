"""What all tables of the experiment file share."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

Number = Annotated[float, Field(strict=True)]  # "8" and true are no numbers
#: whole numbers beyond this are a slip of the pen, and no array's
LARGEST = 10**15
Whole = Annotated[int, Field(strict=True, ge=-LARGEST, le=LARGEST)]
Switch = Annotated[bool, Field(strict=True)]
Positive = Annotated[Number, Field(gt=0)]
Side = Annotated[Whole, Field(gt=0, le=20_000)]
Degrees = Annotated[Number, Field(ge=-360, le=360)]
Word = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Every table of the file: unknown keys are errors, values cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def of_characters(cls, value: Any) -> Any:
        if isinstance(value, str) and (
            bad := next((c for c in value if ord(c) < 32 and c not in "\t\n\r"), None)
        ):
            raise ValueError(f"holds a character that nothing can show ({bad!r})")
        return value

    #: keys that hold paths, each with the values that are words and no paths
    paths: ClassVar[dict[str, tuple[str, ...]]] = {}
    #: keys that hold patterns of paths; resolved to the files that match, in natural order
    patterns: ClassVar[tuple[str, ...]] = ()
