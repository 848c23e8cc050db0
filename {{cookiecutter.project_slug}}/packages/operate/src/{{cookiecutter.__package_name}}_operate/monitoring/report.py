"""Reports on drift and outcomes: JSON for programs, Markdown for pull requests, HTML with plots for people."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

import numpy as np
from markdown_it import MarkdownIt
from matplotlib import rc_context
from matplotlib.figure import Figure

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.markdown import markdown_table

from .drift import DriftReport, Finding
from .outcomes import OutcomesReport

Report = DriftReport | OutcomesReport
STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { border: 1px solid #ccc; padding: .3rem .6rem }
th { background: #f3f3f3; text-align: left } figure { display: inline-block; margin: .5rem } svg { max-width: 100% }
"""


def write_report(report: Report, folder: Path, name: str) -> Path:
    """Write a report in all three formats, each atomically; return the path of the HTML page."""
    text = render(report)
    plots = [plot(finding) for finding in report.findings if finding.bins] if isinstance(report, DriftReport) else []
    forms = {".json": as_json(report) + "\n", ".md": text, ".html": render_page(text, plots)}
    for suffix, content in forms.items():
        with whole_file(folder / f"{name}{suffix}") as file:
            file.write(content.encode())
    return folder / f"{name}.html"


def as_json(report: Report) -> str:
    """Return a report as JSON."""
    return json.dumps(
        {**asdict(report), "enough": report.enough, "alarms": report.alarms}, indent=2, ensure_ascii=False
    )


def render(report: Report) -> str:
    """Return a report as Markdown."""
    return "\n".join(_drift(report) if isinstance(report, DriftReport) else _outcomes(report))


def render_page(text: str, plots: Sequence[str]) -> str:
    """Return a self-contained HTML page with a Markdown text and SVG plots."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    title = escape(text.partition("\n")[0].lstrip("# "))
    figures = "".join(f"<figure>{figure}</figure>" for figure in plots)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>\n{STYLE}</style>\n</head>\n'
        f"<body>\n{body}{figures}\n</body>\n</html>\n"
    )


def plot(finding: Finding) -> str:
    """Return a plot of a finding's distributions, in training and now, as SVG."""
    with rc_context({"svg.hashsalt": finding.name}):  # the same data gives the same picture
        figure = Figure(figsize=(5, 3), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(finding.bins))
        axes.bar(places - 0.2, [item.before for item in finding.bins], 0.4, label="in training", color="#9ecae1")
        axes.bar(places + 0.2, [item.now for item in finding.bins], 0.4, label="now", color="#e6550d")
        axes.set_xticks(places, [item.name for item in finding.bins], rotation=40, ha="right", fontsize=8)
        axes.set_title(f"{finding.name}{' — drifted' if finding.alarms else ''}", parse_math=False)
        axes.set_ylabel("share of rows")
        axes.legend()
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue().partition("<svg")[1] + drawn.getvalue().partition("<svg")[2]


def _drift(report: DriftReport) -> list[str]:
    lines = ["# Drift", "", f"Model {report.model}; {report.rows} rows from {report.source}.", ""]
    if not report.enough:
        return [*lines, f"Too few rows: found {report.rows}, expected {report.min_rows} or more.", ""]
    lines += [f"**{len(report.alarms)} alarms.**" if report.alarms else "**No drift found.**", ""]
    lines += [f"- {alarm}" for alarm in report.alarms]
    header = ("column", "rows", "test", "p", "PSI", "missing now", "missing in training", "new values")
    rows = [
        (
            finding.name,
            finding.rows,
            finding.test,
            f"{finding.p_value:.3g}",
            f"{finding.psi:.3g}",
            f"{finding.missing:.1%}",
            f"{finding.missing_before:.1%}",
            ", ".join(f"{name} ({count})" for name, count in finding.new.items()) or "none",
        )
        for finding in report.findings
    ]
    threshold = f"A p-value alarms below {report.p_threshold:.2g}: the allowed rate of false alarms, over all tests."
    return [*lines, "", *markdown_table(header, rows), "", threshold, ""]


def _outcomes(report: OutcomesReport) -> list[str]:
    lines = [
        "# Outcomes",
        "",
        f"Model {report.model}; predictions from {report.source}: {report.rows} with an outcome, {report.waiting} "
        f"without; {report.unknown} outcomes match none of them, {report.refused} are not valid values of the target.",
        "",
    ]
    if not report.enough:
        return [*lines, f"Too few rows: found {report.rows}, expected {report.min_rows} or more.", ""]
    lines += [f"**{alarm}**" for alarm in report.alarms] or ["**As good as on the holdout.**"]
    rows = [(name, value, report.holdout.get(name, "")) for name, value in report.metrics.items()]
    return [*lines, "", *markdown_table(("metric", "live", "holdout"), rows), ""]
