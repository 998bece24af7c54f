"""A technique that measured another cell, or under another cycler, than [cell] and [cycler] say."""

from __future__ import annotations

from .base import Section, Switch
from .cell import CellSection
from .cycler import CyclerSection


class OwnCell(Section):
    """Keys of techniques whose cell or record may be their own."""

    other_cell: Switch = False
    cell: CellSection | None = None
    cycler: CyclerSection | None = None

    @property
    def separate(self) -> bool:
        """Whether this technique is not under the record of [cycler]."""
        return self.other_cell or self.cell is not None or self.cycler is not None
