"""Renders measurements as a table and as a picture. `python report.py RESULT.json` prints the table again."""

import json
import statistics
import sys

import layouts
import questions

COLOURS = {"rollshare": "#1b6ca8", "floor": "#9aa5ad"}
OURS = ("rollshare", "previous")


def median_wall(times):
    return statistics.median(wall for wall, _ in times)


def median_cpu(times):
    return statistics.median(cpu for _, cpu in times)


def best(outcome):
    """The name and times of an engine's fastest variant."""
    return min(outcome["variants"].items(), key=lambda item: median_wall(item[1]))


def engines(results):
    names = [n for measured in results["layouts"].values() for n, o in measured.items() if "variants" in o]
    return list(dict.fromkeys(names))


def markdown(results):
    machine = results["machine"]
    lines = [
        f"# {results['date']}, {machine['cpu']}, {machine['cores']} cores",
        "",
        f"{results['rows']:,} rows (`rollshare sample --seed 1`), {results['threads']} threads, page cache "
        f"warm, medians in milliseconds; commit {results['commit']}"
        + (f", previous {results['previous']}" if results.get("previous") else "")
        + f". {machine['system']}, {machine['memory']}, {', '.join(machine['vectors']) or 'no vectors'}; "
        f"load average before the run {machine['load_before']:.1f}, "
        f"after {machine['load_after']:.1f}. Made by `make bench-peers`.",
        "",
        *busy(machine),
    ]
    lines += cube(results) if results["layouts"] else []
    if "small" in results:
        lines += ["", f"## An export of {layouts.SMALL_ROWS:,} rows, from exec to exit", ""]
        lines += table(
            ["program", "wall", "CPU"],
            [
                [name, f"{median_wall(times) * 1e3:.1f} ms", f"{median_cpu(times) * 1e3:.1f} ms"]
                for name, times in results["small"].items()
            ],
        )
    lines += other_exports(results)
    if results["not_run"]:
        lines += ["", "## Not run", ""]
        lines += [f"- {name}: {why}" for name, why in results["not_run"].items()]
    return "\n".join(lines) + "\n"


def cube(results):
    """The sections of the layouts of the default export."""
    lines = [
        "Rollshare: the whole job in process (find, open, scan, windows, table). Others: their "
        "fastest form of scan, filter and sums per country and week, without zero-filling and windows. All "
        "answers agree. Floor: decompressing every page of the five columns, and nothing else. Opened: the floor "
        "with finding and opening the files and reading page headers. Checked: the program from exec to exit as "
        "people run it, with all checks, the target, the page and a history; its lead is over the others' sums alone.",
        "",
    ]
    others = engines(results)
    has_previous = any("previous" in measured for measured in results["layouts"].values())
    head = ["layout", "rollshare", *(["previous"] if has_previous else []), "floor", "opened", *others]
    head += [
        "ahead of the better of DuckDB and Polars",
        "checked",
        "its lead",
        "of the floor",
        "CPU of the floor's",
        "1 thread",
        "of its floor",
    ]
    rows = []
    for layout, measured in results["layouts"].items():
        own = measured["rollshare"]
        wall, floor = median_wall(own["job"]), median_wall(own["floor"])
        row = [layouts.TITLES[layout], f"**{wall * 1e3:.1f}**"]
        if has_previous:
            row.append(
                f"{median_wall(measured['previous']['job']) * 1e3:.1f}" if "previous" in measured else ""
            )
        row += [f"{floor * 1e3:.1f}", f"{median_wall(own['floor_opened']) * 1e3:.1f}"]
        walls = {name: median_wall(best(measured[name])[1]) for name in others if name in measured}
        row += [f"{walls[name] * 1e3:,.0f}" if name in walls else "not run" for name in others]
        rivals = [walls[name] for name in ("duckdb", "polars") if name in walls]
        row.append(f"{min(rivals) / wall:.1f}x" if rivals else "")
        checked = median_wall(measured["checked"]["processes"]) if "checked" in measured else None
        row.append(f"{checked * 1e3:.1f}" if checked else "")
        row.append(f"{min(rivals) / checked:.1f}x" if rivals and checked else "")
        row += [f"{wall / floor:.2f}x", f"{median_cpu(own['job']) / median_cpu(own['floor']):.2f}x"]
        single = measured.get("rollshare, 1 thread")
        if single:
            own_wall, own_floor = median_wall(single["job"]), median_wall(single["floor"])
            row += [f"{own_wall * 1e3:.1f}", f"{own_wall / own_floor:.2f}x"]
        else:
            row += ["", ""]
        rows.append(row)
    lines += table(head, rows)
    lines += ["", "## Forms of the query, memory", ""]
    memory = []
    for layout, measured in results["layouts"].items():
        for name, outcome in measured.items():
            if "variants" in outcome:
                form, _ = best(outcome)
                all_forms = ", ".join(
                    f"{v} {median_wall(t) * 1e3:,.0f}" for v, t in outcome["variants"].items()
                )
                memory.append(
                    [
                        layouts.TITLES[layout],
                        f"{name} {outcome['version']}",
                        form,
                        all_forms,
                        # The memory of PySpark is that of the JVM, another process.
                        f"{outcome['peak_rss_bytes'] / 2**20:,.0f} MiB RSS" if name != "pyspark" else "",
                    ]
                )
            elif name in OURS:
                memory.append(
                    [
                        layouts.TITLES[layout],
                        name,
                        ", ".join(outcome["paths"]),
                        "",
                        f"{outcome['peak_anonymous_bytes'] / 2**20:,.1f} MiB anonymous",
                    ]
                )
    lines += table(["layout", "engine", "fastest form", "all forms (ms)", "peak memory"], memory)
    return lines


def other_exports(results):
    """The section of the report; empty where no question was asked."""
    if not results.get("questions"):
        return []
    lines = [
        "",
        "## Other exports",
        "",
        "Milliseconds. Rollshare: the whole program from exec to exit, the answer written as CSV. Others: "
        "their fastest form of the sums by key, week and class; then of the whole answer, which has every "
        "week for every key and windows of four weeks, in order. All answers are equal to the last bit. "
        "Floor: decompressing every page of the needed columns.",
        "",
    ]
    engines = [e for e in questions.ENGINES if any(e in found for found in results["questions"].values())]
    head = ["question", "rollshare", "floor"]
    head += [column for engine in engines for column in (f"{engine}, sums", f"{engine}, answer")]
    head += ["ahead, sums", "ahead, answer"]
    rows, forms = [], []
    for name, measured in results["questions"].items():
        row = [questions.QUESTIONS[name].title]
        own = median_wall(measured["rollshare"]["job"]) if "rollshare" in measured else None
        row.append(f"**{own * 1e3:.1f}**" if own else "not run")
        row.append(f"{median_wall(measured['floor']) * 1e3:.1f}" if "floor" in measured else "not run")
        best = {"variants": [], "tables": []}
        for engine in engines:
            for kind, walls in best.items():
                times = measured.get(engine, {}).get(kind)
                if times:
                    walls.append(min(map(median_wall, times.values())))
                row.append(f"{walls[-1] * 1e3:,.0f}" if times else "not run")
            if engine in measured:
                outcome = measured[engine]
                every = ", ".join(f"{v} {median_wall(t) * 1e3:,.0f}" for v, t in outcome["variants"].items())
                memory = f"{outcome['peak_rss_bytes'] / 2**20:,.0f} MiB RSS"
                forms.append(
                    [questions.QUESTIONS[name].title, f"{engine} {outcome['version']}", every, memory]
                )
        row += [f"{min(walls) / own:.1f}x" if own and walls else "" for walls in best.values()]
        rows.append(row)
    lines += table(head, rows)
    return [*lines, "", *table(["question", "engine", "all forms of the sums (ms)", "peak memory"], forms)]


def busy(machine):
    """A warning where other programs used the machine."""
    if machine["load_before"] < 1:
        return []
    return ["**Other work ran on the machine:** times are too long, and ratios are approximate.", ""]


def table(head, rows):
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)]


def picture(results):
    """Bars of milliseconds for two layouts, one linear scale for each layout."""
    shown = [layout for layout in ("export", "shuffled") if layout in results["layouts"]]
    width, row, left = 860, 24, 150
    names = ["floor", "rollshare", *(n for n in engines(results) if n not in ("pandas", "pyspark"))]
    height = 44 + len(shown) * (34 + len(names) * row)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, sans-serif" font-size="12" role="img">',
        "<title>Milliseconds for the job, per engine</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>',
        f'<text x="20" y="26" font-size="14" fill="#222">{results["rows"] / 1e6:g} million rows, '
        f"{results['threads']} threads, warm: milliseconds (less is better), {results['date']}</text>",
    ]
    y = 44
    for layout in shown:
        measured = results["layouts"][layout]
        bars = {
            "floor": median_wall(measured["rollshare"]["floor"]),
            "rollshare": median_wall(measured["rollshare"]["job"]),
        }
        bars |= {
            name: median_wall(best(measured[name])[1])
            for name in names
            if name in measured and name not in bars
        }
        scale = (width - left - 90) / max(bars.values())
        out.append(f'<text x="20" y="{y + 18}" fill="#222" font-weight="600">{layouts.TITLES[layout]}</text>')
        y += 28
        for name, wall in bars.items():
            colour = COLOURS.get(name, "#c9b8a8")
            length = max(1.5, wall * scale)
            out.append(f'<text x="{left - 10}" y="{y + 14}" text-anchor="end" fill="#444">{name}</text>')
            out.append(
                f'<rect x="{left}" y="{y + 3}" width="{length:.1f}" height="{row - 8}" rx="2" '
                f'fill="{colour}"/>'
            )
            out.append(f'<text x="{left + length + 6:.1f}" y="{y + 14}" fill="#444">{wall * 1e3:.0f}</text>')
            y += row
        y += 6
    return "\n".join([*out, "</svg>"]) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1]) as result:
        print(markdown(json.load(result)), end="")
