"""`operando echem` over every cycler and impedance file by others: shown, or refused with a reason."""

from __future__ import annotations

import pytest

from operando.cli import main

pytestmark = pytest.mark.realdata
REFUSED = {"exampleDataBioLogic_MissingFreq.mpt": "names 17 columns"}


def test_every_file_is_shown_or_refused_with_a_reason(real_data, monkeypatch, capsys):
    pytest.importorskip("NewareNDA", reason="the extra echem is not installed")
    folders = real_data / "cycler", real_data / "eis"
    files = [p for f in folders for p in sorted(f.rglob("*.*")) if p.is_file()]
    assert len(files) > 30
    for path in files:
        monkeypatch.setattr(
            "sys.argv", ["operando", "echem", str(path), "--area-cm2", "1", "--thickness-um", "50"]
        )
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        if path.name in REFUSED:
            assert stop.value.code == 2
            assert REFUSED[path.name] in err
            assert len(err.strip().splitlines()) == 2
            continue
        assert stop.value.code == 0, (path.name, err)
        assert path.name in out
        assert ("Impedance" in out) or ("record" in out)
        assert " nan" not in out.lower().replace("nano", "")


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        (
            "cycler/bdf/jdb11-1_c3_gcpl_5cycles_2V-3p8V_C-24_data_C09.mpr",
            ["record", "cycles", "differential"],
        ),
        ("cycler/biologic_pairs/mb.issue_149.mpr", ["record", "impedance-1", "resistances-1"]),
        ("cycler/navani/test.ndax", ["record", "differential"]),
        ("eis/exampleDataGamry.DTA", ["impedance-1"]),
    ],
)
def test_pages_of_vendor_files_have_their_figures(real_data, tmp_path, name, figures):
    from operando.flow.echem_look import look
    from operando.show.echem_page import write_echem_page

    pytest.importorskip("NewareNDA", reason="the extra echem is not installed")
    text = write_echem_page(look([real_data / name]), tmp_path / "page.html").read_text()
    found = [part.split('"')[0] for part in text.split('id="fig-')[1:]]
    assert found == figures
