"""Quotes inside quoted cells do not hide that cells are quoted."""

from __future__ import annotations

from portal import feeds


def test_a_comma_before_a_doubled_quote_does_not_switch_quoting_off(tmp_path):
    path = tmp_path / "stock.csv"
    row = 'SKU-{0},"Lamp {0}, 2 year warranty, ""as good as new"" packaging; parts kept.",5\n'
    path.write_text("sku,title,qty\n" + "".join(row.format(n) for n in range(50)))
    assert feeds.detect(path).format.quote == '"'
    with feeds.open_rows(path, feeds.detect(path).format) as reader:
        assert [len(one.cells) for one in reader] == [3] * 50


def test_inches_still_switch_it_off(tmp_path):
    path = tmp_path / "stock.csv"
    path.write_text("sku,size,qty\n" + "".join(f'A-{n},"wide {n}" screen,5\n' for n in range(50)))
    assert feeds.detect(path).format.quote == ""
