"""The paper's metrics agree with each other where the paper does, and the exceptions are named."""

import pytest

from kaleido.experiments.report.paper import DIGITS, SUMS, paper, total

TABLES = paper().tables


def test_every_row_has_every_column():
    for table in TABLES.values():
        assert {len(values) for values in table.rows.values()} == {len(table.columns)}
        assert set(table.rows) <= set(DIGITS)
    groups = TABLES["table4"].groups
    assert sum(groups.values(), ()) == TABLES["table4"].columns


@pytest.mark.parametrize(("table", "column"), [(t.name, c) for t in TABLES.values() for c in t.columns])
def test_sums_are_those_of_their_rows(table, column):
    values = {row: TABLES[table].value(row, column) for row in TABLES[table].rows}
    checked = 0
    for name in SUMS:
        added = total(values, name)
        if added is not None and values.get(name) is not None:
            # A percent of two digits, four of three digits in 0..1, four of one digit: half of the last digit each.
            tolerance = {"SumR": 0.035, "SumCLS": 0.12, "SumCAP": 0.25}[name]
            assert added == pytest.approx(values[name], abs=tolerance), name
            checked += 1
    assert checked


def test_the_full_model_is_the_same_everywhere_but_for_the_named_exceptions():
    exceptions = {(given["table"], given["column"], given["row"]): given for given in paper().exceptions}
    for row in TABLES["table4"].rows:
        found = {}
        for place in paper().same_model:
            table, column = place.split("/")
            if row in TABLES[table].rows:
                found[table, column] = TABLES[table].value(row, column)
        usual = found.pop(("table4", "Kal.+SOD"))
        different = {(*place, row) for place, value in found.items() if value != usual}
        assert different == {key for key in exceptions if key[2] == row}
        for key in different:
            assert exceptions[key]["elsewhere"] == usual and exceptions[key]["reason"]
    assert set(exceptions) == {("table4", "B+I-V", "TIR R@10"), ("table4", "B+I-V", "SumR")}


def test_single_values():
    assert TABLES["table2"].value("SumR", "OSCAR") == 251.53
    assert TABLES["table3"].value("METEOR", "ImageBERT") is None
    assert TABLES["table4"].value("CR ACC", "B+V") == 88.87
    assert TABLES["table4"].baseline("B+V") == "B" and TABLES["table4"].baseline("Fixed") is None
    assert paper().final["blank"] == 0.68
