"""A family that shares its azimuths with another is named before it is fitted."""

from types import SimpleNamespace

from operando.flow.family_windows import window_notes


def ring(**families):
    return SimpleNamespace(name="LCO003", half_width_deg=10.0, families=tuple(families.items()))


def test_windows_apart_say_nothing():
    assert window_notes([ring(perp=(25.0, 160.0), par=(90.0, 275.0)), ring(all=(10.0,)), ring()]) == []


def test_a_shared_window_is_named():
    (note,) = window_notes([ring(perp=(25.0, 160.0), par=(44.0, 90.0))])
    assert note == "LCO003: windows of perp and par overlap, so that each holds counts of the other"


def test_a_family_with_no_free_window_is_named_across_360_degrees():
    (note,) = window_notes([ring(perp=(355.0, 160.0), par=(12.0, 170.0), third=(250.0,), fourth=(90.0,))])[:1]
    assert note.startswith("LCO003 perp: no free window: each one overlaps par")
    notes = window_notes([ring(perp=(355.0, 100.0), par=(12.0,))])
    assert len(notes) == 1
    assert notes[0].startswith("LCO003 par: no free window")
