"""Plots: data in, SVG text out. The web view, notebooks and the command line show the same pictures."""

from grouping.plots.affinity_graph import affinity_graph_svg
from grouping.plots.affinity_heatmap import affinity_heatmap_svg
from grouping.plots.curve_chart import curve_svg
from grouping.plots.grouping_diagram import grouping_svg
from grouping.plots.progress_chart import progress_svg
from grouping.plots.regret_chart import RegretLine, regret_svg
from grouping.plots.study_charts import EffectPoint, PairEffect, SetupColumn, scatter_svg, setups_svg

__all__ = [
    "EffectPoint",
    "PairEffect",
    "RegretLine",
    "SetupColumn",
    "affinity_graph_svg",
    "affinity_heatmap_svg",
    "curve_svg",
    "grouping_svg",
    "progress_svg",
    "regret_svg",
    "scatter_svg",
    "setups_svg",
]
