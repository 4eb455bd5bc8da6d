"""Plots: data in, SVG text out. The web view, notebooks and the command line show the same pictures."""

from grouping.plots.curve_chart import curve_svg
from grouping.plots.grouping_diagram import grouping_svg

__all__ = ["curve_svg", "grouping_svg"]
