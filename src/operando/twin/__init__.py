"""Forward models that write raw files and a Truth. Written apart from the analysis they test.

`operando.twin.film`: the thin-film LCO, LiPON, Li, Ti cell under a scanning micro-beam.
"""
