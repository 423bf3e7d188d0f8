#!/usr/bin/env python3
"""report.html in headless Chromium: no console message, no request leaves the page, a click and the Enter key sort,
hostile names stay text, no page overflows sideways, dark and print differ from light; filters, the choice of figure and
of theme, printing, the page without JavaScript; and what page_checks.py holds. Usage:
test_report.py MAKE_REPORT [SHOTS_DIR [CASE...]]. Exit 77 where Chromium is missing."""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

import page_checks
from cdp import Browser, find_chromium

CASES = ["measured", "demo", "nothing", "undecided", "hostile", "models", "estimate", "devices"]
VIEWS = {"desktop": (1200, 900, False, False, ""), "dark": (1200, 900, True, False, ""),
         "phone": (360, 780, False, True, ""), "phone-dark": (390, 844, True, True, ""), "print": (1000, 1400, False, False, "print")}
failures = []
passed = 0


def check(what, ok, detail=""):
    global passed
    if ok:
        passed += 1
    else:
        failures.append(f"{what}: {detail}")


def png_mean(path):
    """Mean brightness of the first 60 lines of a PNG of 8-bit RGB or RGBA."""
    data = open(path, "rb").read()
    at, pixels, width, channels = 8, b"", 0, 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, _, _, color = struct.unpack(">IIBB", data[at + 8:at + 18])
            channels = 4 if color == 6 else 3
        if kind == b"IDAT":
            pixels += data[at + 8:at + 8 + size]
        at += size + 12
    raw = zlib.decompress(pixels)
    stride = width * channels + 1
    line, total = bytearray(width * channels), 0
    for y in range(0, min(len(raw), stride * 60), stride):
        kind, row = raw[y], bytearray(raw[y + 1:y + stride])
        for i in range(len(row)):
            left = row[i - channels] if i >= channels else 0
            up, corner = line[i], line[i - channels] if i >= channels else 0
            if kind == 1:
                row[i] = (row[i] + left) & 255
            elif kind == 2:
                row[i] = (row[i] + up) & 255
            elif kind == 3:
                row[i] = (row[i] + (left + up) // 2) & 255
            elif kind == 4:
                p = left + up - corner
                near = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
                row[i] = (row[i] + near) & 255
        line = row
        total += sum(row) / len(row)
    return total / 60


def quiet(page, name):
    """No console message, no exception, no request but the page itself."""
    bad = [e for e in page.events() if e["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")]
    check(f"{name}: console", not bad, json.dumps(bad)[:400])
    urls = [e["params"]["request"]["url"] for e in page.events() if e["method"] == "Network.requestWillBeSent"]
    check(f"{name}: requests", len(urls) == 1 and urls[0].startswith("file:"), str(urls))


COLUMN = "[...document.querySelector('table.rows').tBodies[0].rows].map(r => r.cells[%d].firstChild.textContent.trim())"


def numbers(page, column):
    return [float(v) if v[:1].isdigit() else None for v in page.evaluate(COLUMN % column)]


def sorting(page):
    heads = page.evaluate("[...document.querySelector('table.rows').tHead.rows[0].cells].map(c => c.textContent)")
    column = heads.index("decode tok/s")
    before = sorted(map(str, numbers(page, column)))
    page.evaluate(f"document.querySelectorAll('table.rows thead button')[{column}].click()")
    down = numbers(page, column)
    known = [v for v in down if v is not None]
    check("sort: best first", known == sorted(known, reverse=True), str(down))
    check("sort: unknown last", None not in down[:len(known)], str(down))
    check("sort: same rows", sorted(map(str, down)) == before)
    check("sort: said to screen readers", page.evaluate(
        f"document.querySelector('table.rows').tHead.rows[0].cells[{column}].getAttribute('aria-sort')") == "descending")
    page.evaluate(f"document.querySelectorAll('table.rows thead button')[{column}].focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", {"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"})
    up = [v for v in numbers(page, column) if v is not None]
    check("sort: Enter turns it round", up == sorted(known), str(up))
    page.evaluate("document.querySelector('table.rows thead button').click()")
    names = page.evaluate("[...document.querySelector('table.rows').tBodies[0].rows].map(r => r.cells[0].textContent.trim().toLowerCase())")
    check("sort: text", names == sorted(names), str(names))


def hostile(page):
    check("hostile: title is text", "pwned" in page.evaluate("document.title") and page.evaluate("document.title") != "pwned")
    check("hostile: one script", page.evaluate("document.scripts.length") == 1)
    for tag in ("img", "iframe", "b[onclick]", "a[href^='javascript']", "svg[onload]", "link", "object"):
        check(f"hostile: no {tag}", page.evaluate(f"document.querySelectorAll(\"{tag}\").length") == 0)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    check("hostile: shown as text", "<img src=" in page.evaluate("document.body.innerText"))
    check("hostile: no script by the policy", page.evaluate(
        "new Promise(done => { let s = document.createElement('script'); s.textContent = 'window.broke = 1';"
        " document.body.append(s); setTimeout(() => done(window.broke === undefined), 50) })"))


def run_checks(name, results):
    for what, ok, detail in results:
        check(f"{name}: {what}", ok, detail)


def click(page, selector):
    """As a hand does it: where the thing is."""
    page.evaluate(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
    at = page.evaluate(f"(r => [r.left + r.width / 2, r.top + r.height / 2])(document.querySelector({selector!r}).getBoundingClientRect())")
    for kind in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", {"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1})


SHOWN = "[...document.querySelector('table.rows').tBodies[0].rows].filter(r => r.checkVisibility()).map(r => r.textContent.toLowerCase())"


def filtering(page, directory):
    rows = [r for r in page_checks.read_rows(directory + "/matrix.csv") if r["framework"] != "own"]
    click(page, "#filter-words")
    page.call("Input.insertText", {"text": "QWEN3 q4_k_m"})
    want = sum("qwen3" in r["model"].lower() and r["format"] == "gguf/q4_k_m" for r in rows)
    shown = page.evaluate(SHOWN)
    check("filter: words", len(shown) == want > 0 and all("qwen3" in r and "q4_k_m" in r for r in shown), (len(shown), want))
    check("filter: said", page.evaluate("document.querySelector('#filter-count').textContent") == f"{want} of {len(rows)} rows")
    page.evaluate("document.querySelector('#filter-words').select()")
    page.call("Input.insertText", {"text": "no such thing"})
    check("filter: none", page.evaluate(SHOWN) == [])
    page.evaluate("document.querySelector('#filter-words').select()")
    page_checks.press(page, "Backspace", 8)
    check("filter: all again", len(page.evaluate(SHOWN)) == len(rows), len(page.evaluate(SHOWN)))
    page.evaluate("document.querySelector('#filter-runs').focus()")
    page_checks.press(page, " ")
    runs = sum(r["verdict"] in page_checks.RUNS for r in rows)
    check("filter: what runs", len(page.evaluate(SHOWN)) == runs, (len(page.evaluate(SHOWN)), runs))


CELL = "document.querySelector('table.grid').tBodies[0].rows[%d].cells[%d]"
LOOK = "[" + CELL + ".innerText.trim(), getComputedStyle(" + CELL + ").backgroundColor]"


def choosing(page):
    """The figure of the heat map: by mouse, by keyboard; the colours change with it, sorting follows it."""
    speed = page.evaluate(LOOK % (0, 6, 0, 6))
    click(page, "#heat-k")
    loss = page.evaluate(LOOK % (0, 6, 0, 6))
    check("heat: another figure", speed[0] != loss[0] and speed[1] != loss[1], (speed, loss))
    run_checks("heat, loss of quality", page_checks.contrast(page))
    page_checks.press(page, "ArrowRight")
    memory = page.evaluate(LOOK % (0, 6, 0, 6))
    check("heat: by arrow key", page.evaluate("document.querySelector('#heat-m').checked") and memory[0] != loss[0], memory)
    click(page, "table.grid thead th:nth-child(4) button")
    seen = [float(v) for v in page.evaluate("[...document.querySelector('table.grid').tBodies[0].rows].map(r => parseFloat(r.cells[3].innerText))")
            if v is not None]
    check("heat: least memory first", seen == sorted(seen) and len(seen) > 20, seen[:5])
    check("heat: said", page.evaluate("document.querySelector('table.grid thead th:nth-child(4)').ariaSort") == "ascending")
    click(page, "#heat-d")
    check("heat: not said of another figure", page.evaluate("document.querySelector('table.grid [aria-sort]') === null"))
    patterns = page.evaluate("['over', 'cannot'].map(c => getComputedStyle(document.querySelector('table.grid td.' + c)).backgroundImage)")
    check("heat: patterns beside colours", len(set(patterns)) == 2 and "none" not in patterns, patterns)
    words = page.evaluate("document.querySelector('table.grid td.cannot').textContent")
    check("heat: words beside patterns", "cannot run" in words, words)


def themes(page):
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    click(page, "#theme")
    dark = page.evaluate(ground)
    check("theme: dark", dark != light and sum(map(int, re.findall(r"\d+", dark)[:3])) < 200, (light, dark))
    check("theme: its button names the other", page.evaluate("document.querySelector('#theme').textContent") == "Light theme")
    run_checks("chosen dark theme", page_checks.contrast(page))
    click(page, "#theme")
    check("theme: light again", page.evaluate(ground) == light)
    page.evaluate("document.querySelector('h2').style.color = '#bbb'")
    found = dict((what, ok) for what, ok, _ in page_checks.contrast(page))
    check("contrast: what is too faint is found", found["contrast at least 4.5"] is False)
    page.view(1200, 900, dark=True)
    check("theme: a choice stands against the system", page.evaluate(ground) == light)


def printing(page, path):
    page.view(1000, 1400)
    page.pdf(path)
    data = open(path, "rb").read()
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", data))
    check("print: a PDF", data.startswith(b"%PDF-") and pages >= 2, (data[:8], pages))
    check("print: not endless", pages < 120, pages)


def without_script(page, url):
    """All of it can be read, the figure of the heat map chosen, nothing offered that would not work."""
    page.call("Emulation.setScriptExecutionDisabled", {"value": True})
    page.view(1200, 900)
    page.open(url)
    check("no script: all rows", page.evaluate("document.querySelector('table.rows').tBodies[0].rows.length") > 1000)
    check("no script: no dead controls", page.evaluate("!document.querySelector('.filter').checkVisibility() && !document.querySelector('button')"))
    before = page.evaluate(LOOK % (0, 6, 0, 6))
    click(page, "#heat-m")
    check("no script: figures can be chosen", page.evaluate(LOOK % (0, 6, 0, 6)) != before, before)
    page.call("Emulation.setScriptExecutionDisabled", {"value": False})


def look(page, case, directory, shots):
    bright = {}
    for view, (width, height, dark, mobile, media) in VIEWS.items():
        page.view(width, height, dark, mobile, media)
        page.open("file://" + directory + "/report.html")
        name = f"{case}, {view}"
        quiet(page, name)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        check(f"{name}: no sideways scrolling", over <= 0, f"{over} px")
        clipped = page.evaluate("[...document.querySelectorAll('h1,h2,p,li,dd')].filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1 "
                                "&& getComputedStyle(e).display !== 'inline').map(e => e.textContent.slice(0, 60))")
        check(f"{name}: nothing cut off", not clipped, str(clipped))
        check(f"{name}: headline", page.evaluate("document.querySelector('h1').getBoundingClientRect().top") < height / 2)
        if view in ("desktop", "dark", "phone"):
            run_checks(name, page_checks.contrast(page))
        path = os.path.join(shots, f"{case}-{view}.png")
        page.screenshot(path, full=bool(shots_wanted))
        bright[view] = png_mean(path)
    check(f"{case}: dark is dark", bright["dark"] < 90 < 180 < bright["desktop"], str(bright))
    check(f"{case}: print is light", bright["print"] > 200, str(bright))


def special(page, case, directory, shots):
    """What only that case shows."""
    url = "file://" + directory + "/report.html"
    if case not in ("devices", "hostile"):   # hostile names stand in the CSV as a spreadsheet may take them
        run_checks(case, page_checks.totals(page, directory))
    if case == "measured":
        sorting(page)
        themes(page)
    if case == "hostile":
        hostile(page)
    if case == "devices":
        run_checks(case, page_checks.procurement(page, directory))
    if case == "models":
        size = os.path.getsize(directory + "/report.html")
        check("models: under 1 MB", size < 1000000, size)
        run_checks(case, page_checks.heat_map(page, directory))
        choosing(page)
        filtering(page, directory)
        printing(page, os.path.join(shots, "models.pdf"))
        without_script(page, url)


def main():
    make_report = sys.argv[1]
    path = find_chromium()
    if not path:
        print("chromium is not installed: the page was not looked at (apt install chromium)")
        return 77
    with tempfile.TemporaryDirectory() as work:
        shots = shots_wanted or work
        os.makedirs(shots, exist_ok=True)
        browser = Browser(path)
        try:
            page = browser.page()
            for case in sys.argv[3:] or CASES:
                directory = os.path.join(work, case)
                subprocess.run([make_report, case, directory], check=True, stdout=subprocess.DEVNULL)
                look(page, case, directory, shots)
                page.view(1200, 900)
                page.open("file://" + directory + "/report.html")
                run_checks(case, page_checks.accessible(page))
                run_checks(case, page_checks.keyboard(page))
                special(page, case, directory, shots)
        finally:
            browser.close()
    for f in failures:
        print("FAILED", f)
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


shots_wanted = sys.argv[2] if len(sys.argv) > 2 else ""
if __name__ == "__main__":
    sys.exit(main())
