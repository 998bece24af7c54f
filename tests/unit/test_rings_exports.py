"""Every exported name of the room resolves, and the room loads nothing heavy by itself."""

import subprocess
import sys

import operando.diffraction as room


def test_every_exported_name_exists():
    for name in room.__all__:
        assert getattr(room, name) is not None


def test_importing_the_room_loads_neither_numba_nor_pyfai():
    code = "import sys, operando.diffraction; print([m for m in ('numba', 'pyFAI', 'matplotlib') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
