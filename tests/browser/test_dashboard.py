#!/usr/bin/env python3
"""The dashboard in headless Chromium, of histories that make_dashboard.c has made: what is shown against what went in,
filters, orders, the page of a series, links into it, keyboard, themes, print, a phone; hostile names, an empty store,
one run, gaps, values that are no number, two fingerprints. Usage: test_dashboard.py MAKE_DASHBOARD [SHOTS_DIR].
Exit 77 where Chromium is missing."""
import csv
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile

import page_checks
import test_report
from cdp import Browser, find_chromium
from test_report import VIEWS, check, click, failures, png_mean, quiet, run_checks

MAKE = sys.argv[1]
CASES = {"history": ["60", "200", "2", "2025-01-20"], "hostile": [], "odd": [], "clock": [], "single": [], "empty": []}
ROWS = "[...document.querySelectorAll('#view tbody tr')].filter(r => r.checkVisibility())"
NAMES = f"{ROWS}.map(r => r.cells[0].textContent)"


def make(case, path, *more, env=None):
    subprocess.run([MAKE, case, path, *(more or CASES[case])], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "SOURCE_DATE_EPOCH": "1795000000", **(env or {})})


def all_rows(page):
    page.evaluate("dispatchEvent(new Event('beforeprint'))")


def go(page, hash):
    page.evaluate(f"new Promise(done => {{ addEventListener('hashchange', () => setTimeout(done, 0), {{once: true}}); location.hash = {json.dumps(hash)} }})")


def fresh(page, url):
    """Loaded anew, also where only the hash differs."""
    page.call("Page.navigate", {"url": "about:blank"})
    page.open(url)


def truth(directory):
    lines = {}
    with open(directory + "/truth.csv", newline="", encoding="utf-8") as f:
        for r in csv.DictReader(f):
            lines.setdefault(r["key"], []).append(r)
    return lines


def embedded(page):
    return json.loads(page.evaluate("document.getElementById('data').textContent"))


def day(night):
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=int(night))).isoformat()


def near(shown, value):
    return abs(float(shown) - value) <= 1.01e-4 * abs(value) + 1e-12


# --- what every page must keep ---
def look(page, case, url, shots):
    bright = {}
    for view, (width, height, dark, mobile, media) in VIEWS.items():
        page.view(width, height, dark, mobile, media)
        page.open(url)
        name = f"{case}, {view}"
        quiet(page, name)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        check(f"{name}: no sideways scrolling", over <= 0, f"{over} px")
        if view in ("desktop", "dark", "phone"):
            run_checks(name, [c for c in page_checks.contrast(page) if case != "empty" or c[0] != "there is text"])
        path = os.path.join(shots, f"dashboard-{case}-{view}.png")
        page.screenshot(path, full=False)
        bright[view] = png_mean(path)
    check(f"{case}: dark is dark", bright["dark"] < 90 < 180 < bright["desktop"], str(bright))
    check(f"{case}: print is light", bright["print"] > 200, str(bright))
    page.view(1200, 900)
    page.open(url)
    run_checks(case, page_checks.accessible(page))
    run_checks(case, page_checks.keyboard(page) if case == "history" else [])


# --- the figures ---
def packed(page, directory, case):
    """Every point of every series, as the page shows it, against what went in."""
    data, lines = embedded(page), truth(directory)
    check(f"{case}: all series", sorted(a[0] for a in data["lines"]) == sorted(lines))
    wrong = []
    for key, points in lines.items():
        go(page, "s/" + key)
        all_rows(page)
        shown = page.evaluate("[...document.querySelectorAll('table.runs tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
        if len(shown) != len(points):
            wrong.append((key, len(shown), len(points)))
        for row, p in zip(reversed(shown), points):
            lo, hi = float(p["lo"]), float(p["hi"])
            ends = row[2].split(" to ") if row[2] != "-" else None
            ok = (row[0] == day(p["night"]) and near(row[1], float(p["value"])) and int(row[3]) == int(p["samples"]) and
                  row[4] == data["builds"][int(p["build"])] and ("outlier" in row[5]) == (p["outlier"] == "1") and
                  (ends is None if lo != lo else ends is not None and abs(float(ends[0]) - lo) <= 3e-4 * abs(lo) + 1e-12 and
                   abs(float(ends[1]) - hi) <= 3e-4 * abs(hi) + 1e-12))
            if not ok:
                wrong.append((key, row, p))
    check(f"{case}: every run as it was", not wrong and len(lines) > 0, wrong[:3])


def head(page, directory):
    lines, data = truth(directory), embedded(page)
    text = page.evaluate("document.querySelector('h1').textContent")
    worse = [a for a in data["lines"] if a[17] >= 0]
    check("head: how many got worse", text == f"{len(worse)} of {len(lines)} series got worse" and len(worse) == 6, text)
    effects = page.evaluate("[...document.querySelectorAll('.open-changes b')].map(b => parseFloat(b.textContent))")
    check("head: the largest first", effects == sorted(effects) and len(effects) == len(worse), effects)
    nights = sorted({int(p["night"]) for points in lines.values() for p in points})
    figures = page.evaluate("[...document.querySelectorAll('.figures > div')].map(d => d.innerText)")
    whole = "\n".join(figures)
    check("head: last night", day(nights[-1]) in whole, whole)
    check("head: nights", re.search(rf"Nights\n{len(nights)}\n", whole), whole)
    missing = nights[-1] - nights[0] + 1 - len(nights)
    check("head: missing nights", missing == 2 and re.search(rf"Missing nights\n{missing}\n", whole), whole)
    late = sum(int(points[-1]["night"]) < nights[-1] for points in lines.values())
    check("head: late series", f"not in it: {late} series" in whole and late > 0, whole)


# --- the grid ---
def grid(page):
    all_rows(page)
    data = embedded(page)
    names = page.evaluate(NAMES)
    check("grid: a row a series", len(names) == len(data["lines"]), len(names))
    drawn = page.evaluate("[...document.querySelectorAll('#view td.spark svg')].filter(s => s.querySelector('.runs').getAttribute('d').length > 100).length")
    check("grid: a line a row", drawn == len(names), drawn)
    marks = page.evaluate("[...document.querySelectorAll('#view td.spark use')].map(u => u.getAttribute('href').slice(6) + ' ' + u.getAttribute('class'))")
    want = []
    for a in data["lines"]:
        for c in a[14]:
            state = data["states"][c[1]]
            want.append(f"{'up' if c[1] == 0 and not c[2] else state} mark s-{state} {'worse' if c[2] else 'better'}")
    check("grid: a mark a change, by state and side", sorted(marks) == sorted(want) and len({m.split()[0] for m in marks}) == 6, (marks, want))
    check("grid: shapes differ", page.evaluate("new Set([...document.querySelectorAll('symbol path')].map(p => p.getAttribute('d'))).size") == 6)
    axis = page.evaluate("[...document.querySelectorAll('th.spark text')].map(t => t.textContent)")
    check("grid: dates above", axis and axis[0].startswith("Nov 2024"), axis)


def select(page, id, value):
    page.evaluate(f"(s => {{ s.value = {json.dumps(value)}; s.dispatchEvent(new Event('input', {{bubbles: true}})) }})(document.getElementById('{id}'))")
    all_rows(page)


def filters(page):
    page.evaluate("scrollTo(0, 0)")
    data = embedded(page)
    all_lines = [dict(model=data["models"][a[2]], format=data["formats"][a[3]], framework=data["frameworks"][a[4]],
                      metric=data["metrics"][a[7]], states={data["states"][c[1]] for c in a[14]}, open=any(c[3] for c in a[14]), failed=a[19] > 0)
                 for a in data["lines"]]
    click(page, "#words")
    page.call("Input.insertText", {"text": "QWEN3 q4_k_m prefill"})
    want = sum("Qwen3" in a["model"] and a["format"] == "gguf/q4_k_m" and a["metric"] == "prefill_tok_s" for a in all_lines)
    shown = page.evaluate(NAMES)
    check("filter: words", len(shown) == want > 0 and all("Qwen3" in n and "prefill" in n for n in shown), (len(shown), want))
    check("filter: said", page.evaluate("document.getElementById('count').textContent") == f"{want} of {len(all_lines)} series")
    page.call("Input.insertText", {"text": " no such thing"})
    check("filter: none", page.evaluate(NAMES) == [] and page.evaluate("document.querySelector('#view .none').checkVisibility()"))
    page.evaluate("document.getElementById('words').select()")
    page_checks.press(page, "Backspace", 8)
    all_rows(page)
    check("filter: all again", len(page.evaluate(NAMES)) == len(all_lines))
    for what in ("model", "format", "framework", "metric"):
        value = all_lines[-1][what]
        select(page, "by-" + what, value)
        check(f"filter: {what}", len(page.evaluate(NAMES)) == sum(a[what] == value for a in all_lines) < len(all_lines), value)
        select(page, "by-" + what, "")
    for state in data["states"] + ["open", "no change", "failed"]:
        select(page, "by-state", state)
        want = sum(a[state] if state in ("open", "failed") else not a["states"] if state == "no change" else state in a["states"] for a in all_lines)
        check(f"filter: state {state}", len(page.evaluate(NAMES)) == want > 0, want)
    select(page, "by-state", "")


def orders(page):
    data = embedded(page)
    column = lambda i: [float(t.split()[0]) if t[0].isdigit() else -1 for t in page.evaluate(f"{ROWS}.map(r => r.cells[{i}].textContent)")]
    select(page, "order", "noise")
    noise = column(4)
    check("order: noise", noise == sorted(noise, reverse=True) and noise[0] > 2, noise[:5])
    select(page, "order", "name")
    names = [n.lower() for n in page.evaluate(f"{ROWS}.map(r => r.cells[0].querySelector('a').textContent)")]
    check("order: name", names == sorted(names))
    select(page, "order", "newest")
    dates = [re.search(r"\d{4}-\d\d-\d\d", t) for t in page.evaluate(f"{ROWS}.map(r => r.cells[2].textContent)")]
    dates = [d.group() if d else "" for d in dates]
    check("order: newest change", dates == sorted(dates, reverse=True) and dates[0] > dates[20], dates[:5])
    select(page, "order", "worst")
    worst = [(a[17] >= 0, abs(a[14][a[17]][6]) if a[17] >= 0 else 0) for a in data["lines"]]
    shown = page.evaluate(f"{ROWS}.map(r => r.cells[2].textContent)")
    check("order: worst change", [abs(float(s.split()[0])) for s in shown[:6]] == [round(100 * w[1], 1) for w in sorted(worst, reverse=True)[:6]], shown[:6])
    select(page, "nights", "30")
    starts = page.evaluate("[...document.querySelectorAll('th.spark text')].map(t => t.textContent)")
    check("nights: the last 30", starts and all(re.fullmatch(r"\d\d-\d\d", t) for t in starts), starts)
    select(page, "nights", "0")


def lazy(page, url):
    page.open(url)
    few = len(page.evaluate(NAMES))
    page.evaluate("document.querySelector('.more').scrollIntoView()")
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    more = len(page.evaluate(NAMES))
    check("rows come as they are reached", 10 < few < more <= 120, (few, more))
    page.evaluate("document.querySelector('.more') && document.querySelector('.more').focus()")
    page_checks.press(page, "Enter")
    check("and by the keyboard", len(page.evaluate(NAMES)) > more or more == 120, more)


# --- a series ---
def series(page, url, directory):
    page.open(url)
    data = embedded(page)
    line = data["lines"][0]
    click(page, "#view tbody tr td.change")
    page.evaluate("new Promise(done => setTimeout(done, 50))")
    check("series: a click on its row", page.evaluate("location.hash") == "#s/" + line[0], page.evaluate("location.hash"))
    check("series: focus goes there", page.evaluate("document.activeElement.tagName") == "H2")
    check("series: the grid is gone", page.evaluate("document.querySelector('table.grid-of-nights') === null && document.getElementById('tools').hidden"))
    rows = page.evaluate("[...document.querySelector('table.changes').tBodies[0].rows].map(r => r.innerText)")
    c = line[14][0]
    check("series: its change", len(rows) == 1 and f"{100 * c[6]:+.1f} %" in rows[0] and c[8] in rows[0] and "worse" in rows[0], rows)
    outliers = sum(p["outlier"] == "1" for p in truth(directory)[line[0]])
    crosses = page.evaluate("document.querySelector('.chart .outliers').getAttribute('d').split('m0-8').length - 1")
    check("series: outliers are crossed", crosses == outliers > 0, (crosses, outliers))
    check("series: the change is a line with its mark", page.evaluate("document.querySelectorAll('.chart .cut').length === 1 && document.querySelectorAll('.chart use').length === 1"))
    levels = page.evaluate("document.querySelector('.chart .levels').getAttribute('d').match(/M/g).length")
    check("series: a level on each side", levels == 2, levels)
    builds = len({p["build"] for p in truth(directory)[line[0]]})
    ticks = page.evaluate("document.querySelector('.chart .builds').getAttribute('d').match(/M/g).length")
    check("series: a tick a commit", ticks == builds - 1, (ticks, builds))
    run_checks("series", page_checks.contrast(page))
    run_checks("series", page_checks.accessible(page))
    page.evaluate("document.querySelector('.chart').focus()")
    page_checks.press(page, "ArrowLeft", 37)
    said = page.evaluate("document.querySelector('.said').textContent")
    check("series: an arrow key says a run", said.startswith(day(truth(directory)[line[0]][-1]["night"])), said)
    page_checks.press(page, "Home", 36)
    said = page.evaluate("document.querySelector('.said').textContent")
    check("series: Home says the first", said.startswith(day(truth(directory)[line[0]][0]["night"])) and "interval" in said, said)
    click(page, ".choice button:last-child")
    check("series: the last 30 nights", page.evaluate("document.querySelector('.chart .points').getAttribute('d').match(/M/g).length") < 35)
    click(page, ".choice button:first-child")
    page.evaluate("history.back()")
    page.evaluate("new Promise(done => setTimeout(done, 150))")
    check("series: back to the grid", page.evaluate("document.querySelector('table.grid-of-nights') !== null"))
    page.evaluate("document.querySelector('#view tbody a').focus()")
    page_checks.press(page, "Enter")
    page.evaluate("new Promise(done => setTimeout(done, 50))")
    check("series: Enter on its name", page.evaluate("location.hash").startswith("#s/"))


def links(page, url):
    data = json.loads(page.evaluate("document.getElementById('data').textContent"))
    line = data["lines"][3]
    want = data["models"][line[2]] + " " + data["formats"][line[3]] + ": " + data["metrics"][line[7]]
    for hash in ("s/" + line[0], "s/" + line[1], "s/" + line[1][:16], "c/" + line[14][0][8]):
        fresh(page, url + "#" + hash)
        check(f"link: #{hash[:9]}...", page.evaluate("document.querySelector('#view h2').textContent") == want, page.evaluate("document.querySelector('#view h2').textContent"))
    for hash in ("s/none", "nothing", "s/", "%3Cimg%3E", "%", "s/%"):
        fresh(page, url + "#" + hash)
        check(f"link: #{hash} leads to the grid", page.evaluate("document.querySelector('table.grid-of-nights') !== null"))


def release_and_noise(page, directory):
    """The release's table, recomputed from the runs."""
    go(page, "release")
    all_rows(page)
    data, lines = embedded(page), truth(directory)
    rows = page.evaluate(f"{ROWS}.map(r => [r.cells[0].querySelector('a').getAttribute('href').slice(3)].concat([...r.cells].map(c => c.innerText)))")
    check("release: all series", len(rows) == len(lines), len(rows))
    wrong, split = [], (datetime.date(2025, 1, 20) - datetime.date(1970, 1, 1)).days
    middle = lambda v: (sorted(v)[(len(v) - 1) // 2] + sorted(v)[len(v) // 2]) / 2
    cuts = {a[0]: [c[0] for c in a[14] if data["states"][c[1]] != "noise"] for a in data["lines"]}
    for row in rows:
        points = lines[row[0]]
        at = next(i for i, p in enumerate(points) if int(p["night"]) >= split)
        before = max([0, at - 10] + [c for c in cuts[row[0]] if c < at])
        after = max([at, len(points) - 10] + cuts[row[0]])
        b, a = (middle([float(p["value"]) for p in part]) for part in (points[before:at], points[after:]))
        if not (near(row[3], b) and near(row[4], a) and abs(float(row[2].split()[0]) - 100 * (a / b - 1)) < 0.06):
            wrong.append((row, b, a))
    check("release: medians and effects", not wrong, wrong[:3])
    run_checks("release", page_checks.accessible(page))
    go(page, "noise")
    all_rows(page)
    noise = page.evaluate(f"{ROWS}.map(r => parseFloat(r.cells[1].textContent))")
    check("noise: the worst first", noise == sorted(noise, reverse=True) and len(noise) == len(lines), noise[:5])
    run_checks("noise", page_checks.accessible(page))
    run_checks("noise", page_checks.contrast(page))
    go(page, "grid")


def odd(page, url, directory):
    data = embedded(page)
    by_model = {data["models"][a[2]]: a for a in data["lines"]}
    check("odd: two fingerprints are one series", len(by_model["two-fingerprints"][11]) == 4 and by_model["two-fingerprints"][11][2] == 60)
    row = "[...document.querySelectorAll('#view tbody tr')].find(r => r.textContent.includes('%s'))"
    strokes = lambda name, what: page.evaluate((row % name) + f".querySelector('.spark .{what}').getAttribute('d').match(/M/g).length")
    check("odd: a gap stays open", strokes("a-gap", "runs") == 2, strokes("a-gap", "runs"))
    check("odd: fingerprints are not joined", strokes("two-fingerprints", "runs") == 2 and strokes("two-fingerprints", "env") == 1)
    check("odd: one run is seen", page.evaluate((row % "one-run") + ".querySelector('.spark .alone') !== null"))
    check("odd: a run that is no number is no run", by_model["no-number"][8] == 40, by_model["no-number"][8])
    worse = [data["models"][a[2]] for a in data["lines"] if a[17] >= 0]
    shown = page.evaluate(f"{NAMES}.slice(0, 2)")
    check("odd: what came out of nothing is the worst change, in the grid as in the data",
          worse == ["from-nothing", "longer"] and all(n.startswith(w) for n, w in zip(shown, worse)), (worse, shown))
    check("odd: no figure is NaN", not re.search(r"NaN|undefined|Infinity", page.evaluate("document.body.innerText")))
    page.open(url + "#s/" + by_model["two-fingerprints"][0])
    check("odd: a vertical with its fingerprint", page.evaluate("document.querySelectorAll('.chart .env').length") == 1 and
          data["envs"][by_model["two-fingerprints"][11][3]][:8] in page.evaluate("document.querySelector('.chart').textContent"))
    check("odd: artifacts are marked", page.evaluate("document.querySelector('.chart .artifacts').getAttribute('d').match(/M/g).length") == 3)
    for name, a in by_model.items():
        fresh(page, url + "#s/" + a[0])
        quiet(page, f"odd, {name}")
        paths = page.evaluate("[...document.querySelectorAll('.chart path')].map(p => p.getAttribute('d')).join(' ')")
        check(f"odd: chart of {name}", not re.search(r"NaN|undefined|Infinity", paths + page.evaluate("document.querySelector('.chart').textContent")))


def hostile(page, url):
    for view in ("", "#noise", "#release", "#s/"):
        if view == "#s/":
            view += embedded_key
        fresh(page, url + view)
        embedded_key = embedded(page)["lines"][0][0]
        check(f"hostile {view}: three scripts, one of them data", page.evaluate("document.scripts.length") == 3)
        for tag in ("img", "iframe", "#view b[onclick]", "a[href^='javascript' i]", "svg[onload]", "link", "object"):
            check(f"hostile {view}: no {tag}", page.evaluate(f"document.querySelectorAll(\"{tag}\").length") == 0)
        check(f"hostile {view}: shown as text", "<img src=" in page.evaluate("document.body.innerText"))
        check(f"hostile {view}: the title is its own", page.evaluate("document.title") != "pwned")
        quiet(page, "hostile " + view)
    all_rows(page)
    check("hostile: a build is text", "</script><b>" in page.evaluate("document.querySelector('table.runs').innerText"))
    check("hostile: only web addresses are links", page.evaluate(
        "[...document.querySelectorAll('table.changes a')].every(a => /^https?:/.test(a.href))"))
    check("hostile: no script by the policy", page.evaluate(
        "new Promise(done => { let s = document.createElement('script'); s.textContent = 'window.broke = 1';"
        " document.body.append(s); setTimeout(() => done(window.broke === undefined), 50) })"))


def printing(page, url, path):
    page.view(1000, 1400)
    for hash in ("", "#s/" + embedded(page)["lines"][0][0]):
        fresh(page, url + hash)
        page.pdf(path)
        data = open(path, "rb").read()
        pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", data))
        check(f"print {hash[:3]}: a PDF", data.startswith(b"%PDF-") and 2 <= pages < 40, pages)
    page.view(1200, 900, media="print")
    check("print: no controls", page.evaluate("![...document.querySelectorAll('.tabs, .tools, .more, .choice, #theme')].some(e => e.checkVisibility())"))
    page.view(1200, 900)


def themes(page, url):
    page.open(url)
    ground = "getComputedStyle(document.body).backgroundColor"
    light, line = page.evaluate(ground), page.evaluate("getComputedStyle(document.querySelector('.spark .levels')).stroke")
    click(page, "#theme")
    check("theme: the page and its drawings turn dark", page.evaluate(ground) != light and
          page.evaluate("getComputedStyle(document.querySelector('.spark .levels')).stroke") != line)
    run_checks("chosen dark theme", page_checks.contrast(page))
    click(page, "#theme")
    check("theme: light again", page.evaluate(ground) == light)


def without_script(page, url):
    page.call("Emulation.setScriptExecutionDisabled", {"value": True})
    page.open(url)
    text = page.evaluate("document.body.innerText")
    check("no script: the answer stands", "got worse" in text and "decode_tok_s" in text and "drawn by a script" in text, text[:200])
    check("no script: no dead controls", page.evaluate("![...document.querySelectorAll('button, input, select, .tabs a')].some(e => e.checkVisibility())"))
    page.call("Emulation.setScriptExecutionDisabled", {"value": False})


def same_bytes(work):
    """The same data, the same bytes; another night, others."""
    pages = []
    for name, cells in (("a.html", "20"), ("b.html", "20"), ("c.html", "21")):
        make("history", os.path.join(work, name), cells, "60", "1")
        pages.append(open(os.path.join(work, name), "rb").read())
    check("same bytes", pages[0] == pages[1] != pages[2] and pages[0].endswith(b"</html>\n"))
    empty = os.path.join(work, "no-tools")
    os.makedirs(empty)
    folder = os.path.join(work, "no-gnuplot")
    p = subprocess.run([MAKE, "history", folder, "20", "60", "1"], env={**os.environ, "PATH": empty}, capture_output=True, text=True)
    check("no gnuplot: a sentence and the page", p.returncode == 0 and "gnuplot is not installed" in p.stderr and p.stderr.count("\n") == 1
          and "dashboard.html" in os.listdir(folder) and "plots" not in os.listdir(folder), p.stderr)


def pictures(directory, expected):
    have = sorted(os.listdir(directory + "/plots")) if os.path.isdir(directory + "/plots") else []
    check("pictures", have == expected, have)
    for name in have:
        text = open(os.path.join(directory, "plots", name), encoding="utf-8").read()
        check(f"picture {name}", text.startswith("<?xml") and "</svg>" in text and "<img" not in text and "<script" not in text)


def main():
    path = find_chromium()
    if not path:
        print("chromium is not installed: the dashboard was not looked at (apt install chromium)")
        return 77
    with tempfile.TemporaryDirectory() as work:
        shots = sys.argv[2] if len(sys.argv) > 2 else work
        os.makedirs(shots, exist_ok=True)
        browser = Browser(path)
        try:
            page = browser.page()
            for case in CASES:
                directory = os.path.join(work, case)
                make(case, directory)
                url = "file://" + directory + "/dashboard.html"
                look(page, case, url, shots)
                if case in ("odd", "clock", "single"):
                    page.view(1200, 900)
                    page.open(url)
                    packed(page, directory, case)
                    fresh(page, url)
                if case == "history":
                    pictures(directory, ["changes.svg", "noise.svg"] + [f"series-{i}.svg" for i in range(1, 7)])
                    head(page, directory)
                    grid(page)
                    filters(page)
                    orders(page)
                    packed(page, directory, case)
                    release_and_noise(page, directory)
                    lazy(page, url)
                    series(page, url, directory)
                    links(page, url)
                    themes(page, url)
                    printing(page, url, os.path.join(work, "page.pdf"))
                    without_script(page, url)
                elif case == "odd":
                    odd(page, url, directory)
                elif case == "clock":
                    check("clock: a run without a date is on no night", sorted(a[8] for a in embedded(page)["lines"]) == [4, 20])
                elif case == "hostile":
                    hostile(page, url)
                    pictures(directory, ["changes.svg", "noise.svg"] + [f"series-{i}.svg" for i in range(1, 6)])
                elif case == "empty":
                    check("empty: said", page.evaluate("document.querySelector('h1').textContent") == "Nothing has been measured yet")
            same_bytes(work)
        finally:
            browser.close()
    for f in failures:
        print("FAILED", f)
    print(f"{test_report.passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
