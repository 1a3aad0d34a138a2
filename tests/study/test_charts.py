from xml.etree import ElementTree

import pytest

from penchant.study.charts import Series, interval_bar, line_chart


def test_line_chart_places_points_on_the_axes():
    svg = line_chart([Series("a", [(0, 0.0), (10, 1.0)])], "x <title>", "y", (0, 1), 0.5)
    root = ElementTree.fromstring(svg)
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter("circle")]
    assert dots == [(56.0, 216.0), (504.0, 14.0)]


def test_line_chart_keeps_points_outside_the_range_inside_the_picture():
    root = ElementTree.fromstring(line_chart([Series("a", [(1, 5.0)], [(-1.0, 9.0)])], "x", "y", (0, 1)))
    assert [float(dot.attrib["cy"]) for dot in root.iter("circle")] == [14.0]


def test_line_chart_draws_no_points_without_failing():
    ElementTree.fromstring(line_chart([Series("a", [])], "x", "y", (0, 1)))


def test_line_chart_names_two_series_in_a_legend():
    assert "legend" not in line_chart([Series("a", [(1, 1)])], "x", "y", (0, 1))
    assert "b &amp; c" in line_chart([Series("a", [(1, 1)]), Series("b & c", [(1, 0)])], "x", "y", (0, 1))


@pytest.mark.parametrize(("middle", "expected"), [(0.0, 110.0), (1.0, 210.0), (-1.0, 10.0)])
def test_interval_bar_runs_from_minus_one_to_one(middle: float, expected: float):
    root = ElementTree.fromstring(interval_bar(middle, middle, middle))
    dot = root.find("circle")
    assert dot is not None
    assert float(dot.attrib["cx"]) == expected
