"""Notes that differ only in numbers are told once."""

from operando.flow.notes import grouped


def test_many_alike_become_one_and_few_stay():
    strays = [f"tomography, scan_{k:04d}.h5: {80 + k} stray photons" for k in range(6)]
    notes = [*strays[:3], "front of perp: too few", *strays[3:], "map 1 lost 2 rows", "map 3 lost 4 rows"]
    found = grouped(notes)
    assert found == [
        "tomography, scan_0000.h5: 80 stray photons (5 more like it, in run.log)", "front of perp: too few",
        "map 1 lost 2 rows", "map 3 lost 4 rows",
    ]  # fmt: skip
    assert grouped([]) == []
