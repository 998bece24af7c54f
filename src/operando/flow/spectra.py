"""What impedance spectra say: consistency, an equivalent circuit, and the resistances of the cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from operando.core.flags import Flag, flag_variable

#: residual (share of |Z|, root mean square) up to which a spectrum passes as consistent
CONSISTENT = 0.01
SHARED = ("value", "value_err", "unit", "correlation", "z_re_fit", "z_im_fit")


def impedance_groups(
    spectra: Sequence[xr.Dataset], *, circuit: str | None = None, area_cm2: float | None = None,
    thickness_um: float | None = None, interfaces: int = 1, bulk: str = "R0",
) -> dict[str, xr.Dataset]:  # fmt: skip
    """Groups impedance/1, impedance/2, ... (one a spectrum) and impedance/resistances.

    circuit       for all; where not given it is chosen for the first spectrum of each file and kept for the others
    area_cm2      for resistances per area; thickness_um of the separator as well: for its conductivity, from `bulk`
    interfaces    how many equal interfaces share the other resistances: 2 for a symmetric cell

    impedance/N over frequency: z_re, z_im (Ohm), z_re_fit, z_im_fit, residual_re, residual_im (Kramers-Kronig, share of
    |Z|); over parameter: value, value_err, unit, correlation; rms, goodness, flag; attrs circuit, kk_rms, kk_verdict.
    impedance/resistances over spectrum: voltage, utc, series (bulk), interface (sum of the other resistances), with
    errors, and their values per area and the conductivity where the sizes are known. A resistance that is not known
    better than to its own size is NaN, flag no_data.
    """
    groups, fits = {}, []
    last: dict[str, xr.Dataset] = {}
    for number, spectrum in enumerate(spectra, 1):
        source = str(spectrum.attrs.get("source", ""))
        fit = _fit(spectrum, circuit, last.get(source))
        last[source] = fit if int(fit["flag"]) == 0 else last.get(source, fit)
        fits.append(fit)
        groups[f"impedance/{number}"] = _joined(spectrum, fit)
    groups["impedance/resistances"] = _resistances(
        list(groups.values()), fits, area_cm2, thickness_um, interfaces, bulk
    )
    return groups


def _fit(spectrum: xr.Dataset, circuit: str | None, before: xr.Dataset | None) -> xr.Dataset:
    from operando import echem

    if before is not None:
        fit = echem.fit_circuit(spectrum, before.attrs["circuit"], np.maximum(before["value"].values, 1e-30))
        if int(fit["flag"]) == 0:
            return fit
        return echem.fit_from_guess(spectrum, before.attrs["circuit"])
    return echem.fit_from_guess(spectrum, circuit) if circuit else echem.choose_circuit(spectrum)


def _joined(spectrum: xr.Dataset, fit: xr.Dataset) -> xr.Dataset:
    from operando import echem

    check = echem.kramers_kronig(spectrum)
    whole = spectrum[["z_re", "z_im"]].assign(check[["residual_re", "residual_im"]])
    whole = whole.assign(fit[[*SHARED, "rms", "goodness"]])
    for name in ("rms", "goodness"):
        whole[name] = whole[name].assign_attrs(units="1")
    whole["flag"] = flag_variable(np.array(int(fit["flag"])), ())
    rms = float(check.attrs["rms"])
    size = np.hypot(check["residual_re"].values, check["residual_im"].values)
    worst = int(size.argmax())
    at = f"{float(spectrum['frequency'][worst]):.3g} Hz"
    verdict = (
        f"consistent: {rms:.2%} rms" if rms < CONSISTENT
        else f"not consistent within {CONSISTENT:.0%}: {rms:.2%} rms, worst {size[worst]:.1%} at {at}"
    )  # fmt: skip
    facts = {
        k: spectrum.attrs[k]
        for k in ("source", "format", "voltage", "utc", "temperature")
        if k in spectrum.attrs
    }
    told = {"circuit": fit.attrs["circuit"], "circuit_chosen": str("chosen_from" in fit.attrs),
            "kk_rms": rms, "kk_verdict": verdict, "kk_elements": int(check.attrs["elements"])}  # fmt: skip
    return whole.assign_attrs({**facts, **told})


def _resistances(groups, fits, area_cm2, thickness_um, interfaces: int, bulk: str) -> xr.Dataset:
    from operando import echem

    rows: dict[str, list[float]] = {
        name: [] for name in ("series", "series_err", "interface", "interface_err")
    }
    for fit in fits:
        names = [str(n) for n in fit["parameter"].values if str(n)[0] == "R"]
        parts = {"series": [n for n in names if n == bulk], "interface": [n for n in names if n != bulk]}
        for label, wanted in parts.items():
            found = echem.area_resistance(fit, wanted, area_cm2=1.0) if wanted else None
            value, error = (
                (float(found["resistance"]), float(found["resistance_err"])) if found else (np.nan, np.nan)
            )
            known = np.isfinite(error) and error < value
            rows[label].append(value if known else np.nan)
            rows[f"{label}_err"].append(error if known else np.nan)
    dim = "spectrum"
    result = xr.Dataset({name: (dim, values, {"units": "Ohm"}) for name, values in rows.items()})
    for name, unit in (("voltage", "V"), ("utc", "s"), ("temperature", "K")):
        values = [float(g.attrs.get(name, np.nan)) for g in groups]
        if np.isfinite(values).any():
            result[name] = (dim, values, {"units": unit})
    result["kk_rms"] = (dim, [g.attrs["kk_rms"] for g in groups], {"units": "1"})
    result["fit_rms"] = (dim, [float(g["rms"]) for g in groups], {"units": "1"})
    result["source"] = (dim, np.array([Path(str(g.attrs.get("source", ""))).name for g in groups]))
    result["circuit"] = (dim, np.array([g.attrs["circuit"] for g in groups]))
    flags = [int(f["flag"]) for f in fits]
    unknown = ~np.isfinite(result["series_err"].values)
    result["flag"] = flag_variable(np.where(unknown, int(Flag.NO_DATA), 0) | np.array(flags), (dim,))
    return _per_area(result, area_cm2, thickness_um, interfaces).assign_attrs(
        bulk=bulk, interfaces=interfaces
    )


def _per_area(result: xr.Dataset, area_cm2, thickness_um, interfaces: int) -> xr.Dataset:
    if area_cm2 is None:
        return result
    for ending in ("", "_err"):
        areal = result[f"interface{ending}"] * area_cm2 / interfaces
        result[f"interface_areal{ending}"] = areal.assign_attrs(units="Ohm cm2")
    if thickness_um is None:
        return result
    from operando import echem

    ohm = np.where(result["series"].values > 0, result["series"].values, np.nan)
    sizes = {"thickness_um": thickness_um, "area_cm2": area_cm2}
    return result.assign(echem.conductivity(ohm, resistance_err=result["series_err"].values, **sizes))
