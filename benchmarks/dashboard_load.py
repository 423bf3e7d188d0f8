#!/usr/bin/env python3
"""How long the dashboard takes in headless Chromium: from the start of navigation to the first paint and to the frame
after which every visible cell is drawn, a keystroke in the search, an order, a series, all rows; what it takes of memory.
A made history (tests/browser/make_dashboard.c), a new browser for each run, medians of them as JSON.
Usage: dashboard_load.py MAKE_DASHBOARD [CELLS NIGHTS METRICS [RUNS]]; 300 730 1, three runs."""
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "browser"))
from cdp import Browser, find_chromium  # noqa: E402

# Frames: a callback before the next paint, a message after it.
AFTER_PAINT = """
window.afterPaint = () => new Promise(done => requestAnimationFrame(() => {
  const c = new MessageChannel(); c.port1.onmessage = () => done(performance.now()); c.port2.postMessage(0); }));
"""
ON_LOAD = AFTER_PAINT + "addEventListener('load', async () => { await afterPaint(); window.drawn = await afterPaint(); });"
KEYS = """
window.keys = [];
document.addEventListener('input', e => { const t = performance.now(); afterPaint().then(at => keys.push(at - t)); }, true);
"""


def timed(page, action):
    return page.evaluate(f"(async () => {{ const t = performance.now(); {action}; return await afterPaint() - t }})()")


def rss_mib(browser):
    """Of the renderer that holds the page: the largest of them."""
    sizes = [0]
    for process in browser.call("SystemInfo.getProcessInfo")["processInfo"]:
        if process["type"] == "renderer":
            with open(f"/proc/{process['id']}/status", encoding="ascii") as f:
                sizes += [int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS:")]
    return max(sizes)


def measure(chromium, url):
    browser = Browser(chromium)
    try:
        page = browser.page()
        page.view(1200, 900)
        page.call("Page.addScriptToEvaluateOnNewDocument", {"source": ON_LOAD})
        page.open(url)
        page.evaluate("new Promise(done => { const wait = () => window.drawn ? done() : setTimeout(wait, 20); wait() })")
        r = {"first_paint_ms": page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"),
             "dom_ms": page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"),
             "drawn_ms": page.evaluate("drawn")}
        page.call("Performance.enable")
        page.call("HeapProfiler.collectGarbage")
        heap = {m["name"]: m["value"] for m in page.call("Performance.getMetrics")["metrics"]}
        r["js_heap_mib"] = heap["JSHeapUsedSize"] / 2**20
        r["renderer_rss_mib"] = rss_mib(browser)
        page.evaluate(KEYS)
        page.evaluate("document.getElementById('words').focus()")
        for c in "qwen3 q4_k_m":
            page.call("Input.insertText", {"text": c})
            page.evaluate("afterPaint()")
        for _ in range(12):
            page.call("Input.dispatchKeyEvent", {"type": "keyDown", "key": "Backspace", "code": "Backspace", "windowsVirtualKeyCode": 8})
            page.evaluate("afterPaint()")
        keys = page.evaluate("keys")
        assert len(keys) == 24, keys
        r["keystroke_ms"], r["keystroke_max_ms"] = statistics.median(keys), max(keys)
        r["order_ms"] = timed(page, "order.value = 'newest'; order.dispatchEvent(new Event('input', {bubbles: true}))")
        r["all_rows_ms"] = timed(page, "dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("document.querySelectorAll('#view tbody tr').length") >= 300 or "--any" in sys.argv
        r["series_ms"] = timed(page, "location.hash = document.querySelector('#view tbody a').hash")
        return r
    finally:
        browser.close()


def main():
    chromium = find_chromium()
    if not chromium:
        print("chromium is not installed", file=sys.stderr)
        return 77
    cells, nights, metrics, runs = [int(a) for a in sys.argv[2:] if a.isdigit()] + [300, 730, 1, 3][len([a for a in sys.argv[2:] if a.isdigit()]):]
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "dashboard.html")
        subprocess.run([sys.argv[1], "history", path, str(cells), str(nights), str(metrics)], check=True, stdout=subprocess.DEVNULL)
        results = [measure(chromium, "file://" + path) for _ in range(runs)]
        out = {"cells": cells, "nights": nights, "metrics": metrics, "runs": runs, "page_mib": os.path.getsize(path) / 2**20}
        out.update({k: round(statistics.median(r[k] for r in results), 2) for k in results[0]})
        out["drawn_ms_each"] = [round(r["drawn_ms"]) for r in results]
        print(json.dumps(out, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
