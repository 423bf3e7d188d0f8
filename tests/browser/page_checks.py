"""What a page of the report is checked for, beyond its look: contrast of every text with what it stands on, the tree
that assistive technology gets, focus by keyboard, totals recomputed from the CSV. Each function yields (what, ok, detail)."""
import csv
import re

RUNS = {"recommended", "ok", "dominated"}

# Contrast of WCAG 2.1 between every visible text and the nearest painted background, colours of gradients included.
CONTRAST = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true}), known = new Map();
  function rgba(text) {
    if (!known.has(text)) {
      canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = '#000'; canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
      const d = canvas.getImageData(0, 0, 1, 1).data;
      known.set(text, [d[0], d[1], d[2], d[3] / 255]);
    }
    return known.get(text);
  }
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const lum = c => { const l = c.slice(0, 3).map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
                     return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
  const ratio = (a, b) => { const x = lum(a), y = lum(b); return (Math.max(x, y) + .05) / (Math.min(x, y) + .05); };
  function grounds(e) {   // what the text may stand on: the plain colour, and each colour of a pattern
    const s = getComputedStyle(e), plain = rgba(s.backgroundColor);
    let below = plain[3] === 1 || !e.parentElement ? [over(plain, [255, 255, 255, 1])] : grounds(e.parentElement).map(c => over(plain, c));
    if (s.backgroundImage.startsWith('repeating'))
      for (const c of s.backgroundImage.match(/rgba?\\([^)]*\\)/g) || []) below = below.concat([over(rgba(c), below[0])]);
    return below;
  }
  const worst = [], seen = new Map();
  let texts = 0, least = 99;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || e.closest('script, style, .sr, caption.sr, .skip') || !e.checkVisibility()) continue;
    const s = getComputedStyle(e), svg = e.closest('svg');
    if (e.closest('[hidden]')) continue;
    const colour = svg ? s.fill : s.color, key = colour + '|' + [e, e.parentElement, e.closest('td, th, tr, section, figure')].map(x => x && x.className.toString()).join('|');
    texts++;
    if (!seen.has(key)) seen.set(key, Math.min(...grounds(svg ? svg.parentElement : e).map(g => ratio(over(rgba(colour), g), g))));
    const r = seen.get(key);
    least = Math.min(least, r);
    if (r < 4.5 && worst.length < 8) worst.push([r.toFixed(2), e.tagName, e.className.toString(), walk.currentNode.data.trim().slice(0, 30)]);
  }
  return {texts, least, worst};
})()
"""


def contrast(page):
    found = page.evaluate(CONTRAST)
    yield "there is text", found["texts"] > 20, found["texts"]
    yield "contrast at least 4.5", not found["worst"], f"{found['least']:.2f}: {found['worst']}"


def accessible(page):
    page.call("Accessibility.enable")
    nodes = [n for n in page.call("Accessibility.getFullAXTree")["nodes"] if not n.get("ignored")]
    page.call("Accessibility.disable")
    role = lambda n: n.get("role", {}).get("value")
    name = lambda n: n.get("name", {}).get("value", "").strip()
    by_role = {}
    for n in nodes:
        by_role.setdefault(role(n), []).append(n)
    yield "one main", len(by_role.get("main", [])) == 1, len(by_role.get("main", []))
    unnamed = [role(n) for r in ("link", "button", "checkbox", "radio", "searchbox", "textbox", "image", "table", "region")
               for n in by_role.get(r, []) if not name(n)]
    yield "everything that acts or shows has a name", not unnamed, unnamed
    tables = page.evaluate("document.querySelectorAll('table').length")
    yield "tables are tables", len(by_role.get("table", [])) == tables, (len(by_role.get("table", [])), tables)
    bare = page.evaluate("[...document.querySelectorAll('table')].filter(t => !t.caption || [...t.tBodies[0].rows].some("
                         "r => r.cells[0].tagName !== 'TH' || r.cells[0].scope !== 'row') || [...t.tHead.rows[0].cells]"
                         ".some(c => c.tagName !== 'TH' || c.scope !== 'col')).map(t => t.className)")
    yield "tables have captions, row and column headers", not bare, bare
    ragged = page.evaluate("[...document.querySelectorAll('table')].filter(t => [...t.rows].some(r => r.cells.length !== "
                           "t.tHead.rows[0].cells.length)).map(t => t.className)")
    yield "every row has all cells", not ragged, ragged
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    steps = [b - a for a, b in zip(levels, levels[1:])]
    yield "headings go down one by one", levels[0] == 1 and levels.count(1) == 1 and max(steps, default=0) <= 1, levels
    twice = page.evaluate("(ids => ids.filter((x, i) => ids.indexOf(x) !== i))([...document.querySelectorAll('[id]')].map(e => e.id))")
    yield "ids are unique", not twice, twice
    yield "language", page.evaluate("document.documentElement.lang") == "en", ""


def press(page, key, code=0, text=""):
    codes = {"Tab": 9, "Enter": 13, " ": 32, "ArrowRight": 39}
    event = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": codes.get(key, code)}
    if key in ("Enter", " "):
        event["text"] = "\r" if key == "Enter" else " "
    page.call("Input.dispatchKeyEvent", dict(event, type="keyDown"))
    page.call("Input.dispatchKeyEvent", dict(event, type="keyUp"))


def keyboard(page):
    """Tab goes through the page from its beginning; the skip link comes first and works."""
    page.evaluate("window.stops = []; document.addEventListener('focusin', e => window.stops.push(e.target))")
    press(page, "Tab")
    yield "the skip link is first", page.evaluate("document.activeElement.className") == "skip", \
        page.evaluate("document.activeElement.outerHTML.slice(0, 80)")
    yield "and is seen", page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, ""
    for _ in range(14):
        press(page, "Tab")
    order = page.evaluate("window.stops.every((e, i, a) => !i || a[i - 1].compareDocumentPosition(e) & 4)")
    yield "focus follows the page", order and page.evaluate("window.stops.length") > 5, page.evaluate("window.stops.length")
    hidden = page.evaluate("window.stops.filter(e => !e.checkVisibility()).length")
    yield "nothing hidden gets focus", hidden == 0, hidden
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    yield "focus is seen", outline != "none", outline
    page.evaluate("document.querySelector('.skip').focus()")
    press(page, "Enter")
    yield "skipping lands in main", page.evaluate("document.activeElement.tagName + document.activeElement.id") == "MAINanswer", \
        page.evaluate("document.activeElement.outerHTML.slice(0, 80)")


def read_rows(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def close(shown, value, digits=0.006):
    """A figure of three digits against the full number."""
    return abs(float(shown) - value) <= digits * abs(value) + 0.005


def totals(page, directory):
    """Every total and share of the page from matrix.csv, with none of the program's code."""
    rows = [r for r in read_rows(directory + "/matrix.csv") if r["framework"] != "own"]
    shown = page.evaluate("[...document.querySelectorAll('data[data-total]')].map(d => [d.dataset.total, d.dataset.verdict || '',"
                          " d.dataset.model || '', d.dataset.format || '', d.value, d.textContent])")
    yield "there are totals", len(shown) > 2, len(shown)
    wrong = []
    for kind, verdict, model, fmt, value, text in shown:
        some = [r for r in rows if verdict in ("", r["verdict"]) and model in ("", r["model"]) and fmt in ("", r["format"])]
        want = {"rows": len(some), "share": len(some) / len(rows),
                "run": len({(r["model"], r["format"]) for r in some if r["verdict"] in RUNS})}[kind]
        if abs(float(value) - want) > 1e-6 or (kind == "share" and text != f"{100 * want:.1f} %") or (kind != "share" and text != str(want)):
            wrong.append((kind, verdict, model, fmt, value, text, want))
    yield "totals follow from matrix.csv", not wrong, wrong[:5]
    shares = [float(s[4]) for s in shown if s[0] == "share"]
    yield "shares make one", abs(sum(shares) - 1) < 1e-5, sum(shares)


HEAT = ("(t => ({formats: [...t.tHead.rows[0].cells].slice(2).map(c => c.textContent), rows: [...t.tBodies[0].rows].map(r => "
        "[r.cells[0].textContent, [...r.cells].slice(2).map(c => [c.className, [...c.children].filter(s => s.tagName === 'SPAN')"
        ".map(s => s.textContent)])])}))(document.querySelector('table.grid'))")


def heat_map(page, directory):
    """Each cell of the heat map from matrix.csv: figures, and what does not run marked as such."""
    best = {}
    for r in read_rows(directory + "/matrix.csv"):
        key = (r["model"], r["format"])
        if r["framework"] != "own" and (key not in best or (r["verdict"] in RUNS and best[key]["verdict"] not in RUNS)):
            best[key] = r
    heat, wrong, cells = page.evaluate(HEAT), [], 0
    for model, row in heat["rows"]:
        for fmt, (classes, figures) in zip(heat["formats"], row):
            r = best.get((model, fmt))
            cells += r is not None
            if r is None:
                ok = classes == "none"
            else:
                kind = {"vetoed": "over", "cannot-run": "cannot", "unsupported": "cannot", "failed": "failed"}.get(r["verdict"], "")
                values = [r["decode_tok_s"], r["kld"], r["peak_bytes"] and float(r["peak_bytes"]) / 2 ** 30]
                ok = (kind in classes.split() if kind else not re.search("over|cannot|failed", classes)) and all(
                    shown in ("", "-") if v == "" else close(shown.replace("<", ""), float(v), 0.06 if i == 1 else 0.006)
                    for i, (shown, v) in enumerate(zip(figures, values)))
            if not ok:
                wrong.append((model, fmt, classes, figures))
    yield "every pair of model and format has its cell", cells == len(best), (cells, len(best))
    yield "cells follow from matrix.csv", not wrong, wrong[:5]


def procurement(page, directory):
    """The shown table from procurement.csv, and its quotients from their parts."""
    rows = read_rows(directory + "/procurement.csv")
    wrong = []
    for r in rows:
        for quotient, part, scale in (("tok_s_per_watt", "watts", 1), ("tok_s_per_1000", "price", 1000)):
            want = scale * float(r["decode_tok_s"]) / float(r[part]) if r["decode_tok_s"] and r[part] else None
            if (r[quotient] == "") != (want is None) or (want and abs(float(r[quotient]) / want - 1) > 1e-8):
                wrong.append((r["device"], quotient))
    yield "quotients follow from their parts", not wrong, wrong
    shown = page.evaluate("[...document.querySelector('table.devices').tBodies[0].rows].map(r => [...r.cells].map(c => c.firstChild.textContent))")
    columns = {2: "decode_tok_s", 7: "watts", 8: "tok_s_per_watt", 10: "tok_s_per_1000"}
    wrong = [(r["device"], c) for r, cells in zip(rows, shown) for i, c in columns.items()
             if not (cells[i] == "-" if r[c] == "" else close(cells[i], float(r[c])))]
    yield "the table shows them", len(shown) == len(rows) and not wrong, wrong
