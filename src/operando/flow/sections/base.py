"""What all tables of the experiment file share."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from operando.core.units import LARGEST, is_measured
from operando.core.voxel import SIDES_UM


def _measured(value: float) -> float:
    if not is_measured(value):
        raise ValueError(f"no number of a measurement is that {'large' if abs(value) > 1 else 'small'}")
    return value


Number = Annotated[float, Field(strict=True), AfterValidator(_measured)]  # "8" and true are no numbers
Whole = Annotated[int, Field(strict=True, ge=-LARGEST, le=LARGEST)]
Switch = Annotated[bool, Field(strict=True)]
Positive = Annotated[Number, Field(gt=0)]
Voxel = Annotated[Number, Field(ge=SIDES_UM[0], le=SIDES_UM[1])]  # in um
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]  # of every generator that is used here
Side = Annotated[Whole, Field(gt=0, le=20_000)]
Index = Annotated[Whole, Field(ge=-100, le=100)]
Indices = tuple[Index, Index, Index]  # h, k, l of a plane, or u, v, w of a direction
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
