"""Column names of cycler files: what quantity, in what unit."""

from __future__ import annotations

import re
from dataclasses import dataclass

# unit as written (without dots, blanks, case; micro sign as u) -> (kind, factor to s, V, A, mAh)
UNITS = {
    "s": ("time", 1.0), "sec": ("time", 1.0), "second": ("time", 1.0), "seconds": ("time", 1.0),
    "ms": ("time", 1e-3), "min": ("time", 60.0), "h": ("time", 3600.0), "hr": ("time", 3600.0),
    "hour": ("time", 3600.0), "hours": ("time", 3600.0), "d": ("time", 86400.0),
    "v": ("voltage", 1.0), "volt": ("voltage", 1.0), "mv": ("voltage", 1e-3), "uv": ("voltage", 1e-6),
    "a": ("current", 1.0), "ampere": ("current", 1.0), "ma": ("current", 1e-3), "ua": ("current", 1e-6),
    "na": ("current", 1e-9),
    "mah": ("charge", 1.0), "ah": ("charge", 1e3), "uah": ("charge", 1e-3), "c": ("charge", 1 / 3.6),
    "coulomb": ("charge", 1 / 3.6), "mc": ("charge", 1e-3 / 3.6),
    "1": ("count", 1.0),
}  # fmt: skip

#: quantity -> its names (lower case, only letters, digits and <>()| kept), most trusted first
ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "time": ("time", ("testtime", "time", "totaltime", "elapsedtime", "runtime", "t")),
    "utc": ("time", ("unixtime", "utc", "epoch", "unixtimestamp")),
    "voltage": (
        "voltage",
        (
            "ewe",
            "<ewe>",
            "voltage",
            "cellvoltage",
            "ecell",
            "potential",
            "terminalvoltage",
            "u",
            "e",
            "vf",
            "v",
        ),
    ),
    "current": ("current", ("<i>", "i", "current", "cellcurrent", "im")),
    "net": ("charge", ("(qqo)", "netcapacity", "netcharge", "cumulativecapacity", "capacitynet")),
    "dq": ("charge", ("dq",)),
    "charged": (
        "charge",
        ("chargingcapacity", "chargecapacity", "capacitycharge", "chargedcapacity", "ahcha"),
    ),
    "discharged": (
        "charge",
        ("dischargingcapacity", "dischargecapacity", "capacitydischarge", "dischargedcapacity", "ahdch"),
    ),
    "capacity": ("charge", ("capacity", "q", "charge")),
    "step": ("count", ("ns", "stepcount", "stepindex", "step", "stepid", "stepnumber", "stepno")),
    "cycle": ("count", ("cyclecount", "cycleindex", "cyclenumber", "cycle", "cycleid", "cycleno")),
    "halfcycle": ("count", ("halfcycle",)),
    "local": (
        "date",
        ("datetime", "timestamp", "absolutetime", "absolutedate", "date", "realtime", "dptime"),
    ),
}

#: kinds whose column must say its unit, or be named by one of our own unit-less names
DEFAULT_UNIT = {"time": "s", "voltage": "V", "current": "A", "charge": "mAh", "count": "1", "date": "1"}


@dataclass(frozen=True)
class Label:
    """A column name taken apart: `name` reduced to letters, `kind` of quantity (or ""), `factor` to our unit."""

    text: str
    name: str
    unit: str
    kind: str
    factor: float

    @property
    def clean(self) -> str:
        """The name as a variable name: <I>/mA -> I_mean_mA."""
        text = self.text.replace("<I>", "I mean").replace("<Ewe>", "Ewe mean").replace("<Ece>", "Ece mean")
        text = text.replace("µ", "u").replace("μ", "u").replace("°", "deg").replace("|", " abs ")
        text = re.sub(r"-Im\(", "minus Im(", text)
        text = re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_")
        return text or "unnamed"


def parse_label(text: str) -> Label:
    """Take a column name apart: "Ewe/V", "Voltage / V", "Current(mA)", "I [A]" and "voltage_V" all work."""
    text = text.strip().strip('"').strip("\ufeff")
    if text == "control/V/mA":
        return Label(text, "control", "V or mA", "", 1.0)
    for pattern in (
        r"^(?P<name>.+?)\s*[\(\[]\s*(?P<unit>[^()\[\]]+?)\s*[\)\]]$",
        r"^(?P<name>.+?)\s*/\s*(?P<unit>[^/]+)$",
        r"^(?P<name>.+)[_#](?P<unit>[A-Za-z]+)$",
    ):
        found = re.match(pattern, text)
        if found and (unit := _unit(found["unit"])) in UNITS:
            kind, factor = UNITS[unit]
            return Label(text, _reduce(found["name"]), found["unit"], kind, factor)
    found = re.match(
        r"^(?P<name>.+?)\s*(?:/\s*(?P<slash>[^/]+)|\((?P<round>[^()]+)\)|\[(?P<square>[^\[\]]+)\])$", text
    )
    unit = next((u for u in found.group("slash", "round", "square") if u), "") if found else ""
    return Label(text, _reduce(text), unit.strip(), "", 1.0)


def _unit(text: str) -> str:
    return re.sub(r"[.·*\s-]", "", text.replace("µ", "u").replace("μ", "u")).lower()


def _reduce(text: str) -> str:
    return re.sub(r"[^0-9a-z<>()|]", "", text.lower())


def find_role(labels: list[Label], role: str) -> Label | None:
    """The column that holds `role`, by the order of trust of its names; one with a unit before one without."""
    kind, names = ROLES[role]
    for name in names:
        matches = [label for label in labels if label.name == name and label.kind in (kind, "")]
        if not matches:
            continue
        with_unit = [label for label in matches if label.kind == kind]
        if with_unit:
            return with_unit[0]
    for name in names:  # no column says its unit: take ours by default, the table then carries a warning
        for label in labels:
            if label.name == name and not label.kind:
                return label
    return None
