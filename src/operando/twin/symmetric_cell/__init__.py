"""The Li, solid electrolyte, Li cell under tomography: settings in; volumes, projections and a Truth out.

Example::

    cell = SymmetricCell.demo(seed=3)
    labels, mu = volumes(cell, 2, blur_vox=0.8, noise_per_cm=0.3)   # scan 2, no projections: quick
    known = truth(cell)                                             # surfaces, contact, voids, current density
    images = projections(cell, 2)                                   # what the camera counts, in memory
    simulate(cell, "demo")                                          # ct/, echem/, experiment.toml, truth.h5
"""

from operando.core.lazy import lazy

_HOME = {
    "cell": ["SymmetricCell"],
    "known": ["Truth", "truth"],
    "composition": ["Label", "materials"],
    "detector": ["Exposures", "projections"],
    "measures": ["displacement"],
    "rays": ["line_integrals", "transmission"],
    "voxels": ["volumes"],
    "write": ["simulate"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
