import sys

import pytest
from rich.table import Table

import deepcompress as dc
from deepcompress._display import (
    Shown,
    as_html,
    as_text,
    in_short,
    new_figure,
    new_table,
    settings,
)


class Sizes(Shown):
    def to_table(self):
        table = new_table("Sizes <all>", ["Layer", "Kept\n%", "Bytes"])
        table.add_row("<b>", "7.5", "8,412")
        table.add_row("ip2", "100.0", "12", style="bold")
        return table


def test_what_is_shown_is_its_table():
    sizes = Sizes()
    assert str(sizes) == as_text(sizes.to_table())
    assert repr(sizes) == "<Sizes: Sizes <all>>"
    assert sizes._repr_html_() == as_html(sizes.to_table())


def test_a_table_as_text():
    assert str(Sizes()).splitlines() == [
        "Sizes <all>",
        "",
        "           Kept",
        "  Layer       %   Bytes",
        " ───────────────────────",
        "  <b>       7.5   8,412",
        "  ip2     100.0      12",
    ]


def test_a_table_as_html():
    left, right = "style='text-align:left'", "style='text-align:right'"
    assert as_html(Sizes().to_table()) == (
        "<table><caption>Sizes &lt;all&gt;</caption><thead><tr>"
        f"<th {left}>Layer</th><th {right}>Kept %</th><th {right}>Bytes</th>"
        "</tr></thead><tbody><tr>"
        f"<td {left}>&lt;b&gt;</td><td {right}>7.5</td><td {right}>8,412</td></tr><tr>"
        f"<td {left}>ip2</td><td {right}>100.0</td><td {right}>12</td>"
        "</tr></tbody></table>"
    )


def test_columns_of_names_are_on_the_left():
    columns = new_table("", ["a", "b", "c"], n_names=2).columns
    assert [column.justify for column in columns] == ["left", "left", "right"]


def test_a_figure_has_the_size_asked_for():
    pytest.importorskip("matplotlib")
    assert new_figure((3, 2)).get_size_inches().tolist() == [3, 2]


def test_a_table_is_plain_text_without_blanks_at_the_ends():
    table = Table("name", "size", box=None)
    table.add_row("[bold]hidden[/bold]", "20")
    lines = as_text(table).splitlines()
    assert [line.split() for line in lines] == [["name", "size"], ["hidden", "20"]]
    assert all(line == line.rstrip() for line in lines)
    assert "\x1b" not in as_text(table)


def test_settings_are_the_call_that_makes_the_same():
    sharing = dc.WeightSharingQuantizer({"conv*": 8, "*": 5}, init="optimal", verbose=1)
    again = eval(
        settings(sharing), {"WeightSharingQuantizer": dc.WeightSharingQuantizer}
    )
    assert settings(again) == settings(sharing)
    assert again.bits == sharing.bits
    assert (again.init, again.verbose) == ("optimal", 1)


def test_what_is_as_by_default_is_left_out():
    assert settings(dc.PruningCallback(0.5)) == "PruningCallback(schedule=0.5)"


@pytest.mark.parametrize("caption", ["", "a\nb"])
def test_without_rich_a_table_is_the_same_text(caption, monkeypatch):
    def table():
        table = new_table("Sizes", ["Layer", "Form", "Kept\n%", "Bytes"], n_names=2)
        table.add_row("dense", "tiles", "7.5", "8,412")
        table.add_row("<b>", "columns of codes", "100.0", "12", style="bold")
        table.add_section()
        table.add_row("Total", "", "", "8,424")
        table.caption = caption
        return table

    expected, html = as_text(table()), as_html(table())
    monkeypatch.setitem(sys.modules, "rich", None)
    assert as_html(table()) == html
    assert not isinstance(table(), Table)
    if not caption:  # which rich centres
        assert as_text(table()) == expected


def test_an_error_of_keras_is_one_line_without_marks_for_a_terminal():
    error = ValueError("Of layer 'a'.\n\n\x1b[1mNo such shape\x1b[0m\n  - x: 3")
    assert in_short(error) == "Of layer 'a'. No such shape - x: 3"
    assert in_short(ValueError()) == "ValueError"
    assert in_short(ValueError(300 * "a")) == 200 * "a" + " ..."
