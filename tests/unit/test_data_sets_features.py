# mypy: disable-error-code="no-untyped-call"
# scikit-learn is typed in parts.

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from grouping.data_sets.columns import ColumnKind
from grouping.data_sets.features import MOST_ONE_HOT, FittedInputs, fit
from grouping.data_sets.packed import pack, unpack
from tests.frames import shop

KINDS = {"age": ColumnKind.NUMBER, "price": ColumnKind.NUMBER, "city": ColumnKind.CATEGORY}


def test_inputs_are_those_of_scikit_learn() -> None:
    frame = shop()
    train, rest = frame.iloc[:150], frame.iloc[150:]
    fitted = fit(train, KINDS)
    theirs = ColumnTransformer(
        [
            (
                name,
                make_pipeline(SimpleImputer(strategy="median", add_indicator=False), StandardScaler()),
                [name],
            )
            for name in ("age", "price")
        ]
        + [
            (
                "city",
                OneHotEncoder(categories=[list(fitted.columns[2].categories)], sparse_output=False),
                ["city"],
            )
        ]
    ).fit(train)
    ours = fitted.apply(rest)
    assert fitted.names == (
        "age",
        "age missing",
        "price",
        "price missing",
        *(f"city = {city}" for city in fitted.columns[2].categories),
    )
    np.testing.assert_allclose(np.delete(ours, [1, 3], axis=1), theirs.transform(rest), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ours[:, 1], rest["age"].isna())


def test_nothing_is_learnt_from_other_rows() -> None:
    frame = shop()
    changed = frame.copy()
    changed.loc[150:, "age"] = 1e6
    assert fit(frame.iloc[:150], KINDS) == fit(changed.iloc[:150], KINDS)


def test_dates_are_four_numbers_and_truth_values_one() -> None:
    frame = unpack(
        pack(
            pd.DataFrame(
                {
                    "day": pd.to_datetime(pd.Series(["2024-01-01", "2025-03-05", None])),
                    "on": [True, False, True],
                }
            )
        )
    )
    fitted = fit(frame, {"day": ColumnKind.DATE, "on": ColumnKind.BOOLEAN})
    assert fitted.names == ("day year", "day month", "day weekday", "day day", "day missing", "on")
    year = fitted.columns[0].numbers[0]
    assert year.fill == 2024.5
    inputs = fitted.apply(frame)
    assert np.isfinite(inputs).all()
    np.testing.assert_allclose(inputs[:, 0] * year.spread + year.mean, [2024, 2025, 2024.5], rtol=1e-6)


def test_rare_categories_share_an_input_and_unseen_ones_are_no_error() -> None:
    many = [f"c{n}" for n in range(MOST_ONE_HOT + 2)] + ["c0"] * 5
    fitted = fit(pd.DataFrame({"x": many}), {"x": ColumnKind.CATEGORY})
    assert len(fitted.names) == MOST_ONE_HOT + 1
    assert fitted.names[0] == "x = c0"
    inputs = fitted.apply(pd.DataFrame({"x": ["never seen", "c0", None]}))
    assert inputs.sum(axis=1).tolist() == [1, 1, 0]
    assert inputs[0, -1] == 1


def test_constants_and_missing_columns_give_zeros() -> None:
    frame = pd.DataFrame({"same": [0.1] * 5, "never": [np.nan] * 5})
    fitted = fit(frame, {"same": ColumnKind.NUMBER, "never": ColumnKind.NUMBER})
    inputs = fitted.apply(frame)
    assert np.abs(inputs[:, [0, 1]]).max() < 1e-6
    assert inputs[:, 2].tolist() == [1] * 5


def test_what_was_fitted_is_plain_data() -> None:
    frame = shop()
    fitted = fit(frame, KINDS)
    again = FittedInputs.from_mapping(json.loads(json.dumps(fitted.as_mapping())))
    assert again == fitted
    np.testing.assert_array_equal(again.apply(frame), fitted.apply(frame))
