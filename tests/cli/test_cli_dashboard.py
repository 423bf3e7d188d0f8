#!/usr/bin/env python3
"""The dashboard as a user meets it: of a store that import has filled, the page and its pictures, the summary, changes
that history answers, what is refused. Arguments and end: harness.py."""
import json
import os
import re
import shutil
import subprocess
import sys

from harness import ENV, PROGRAM, TMP, main, one_sentence, path, run

STORE = os.path.join(TMP, "nights.db")
LEVELS = {"requests_s": 100.0, "ttft_ms": 80.0}


def night(i):
    return f"2026-{1 + i // 28:02}-{1 + i % 28:02}"


def fill(store, n, source="server <b>x</b>"):
    """n nights: requests_s falls by 8 % at night 25; ttft_ms stays."""
    for i in range(n):
        rows = ["metric,value,unit,better"]
        for metric, level in LEVELS.items():
            level *= (0.92 if metric == "requests_s" and i >= 25 else 1) * (1 + (i * 7 % 5 - 2) * 0.002)
            rows += [f"{metric},{level * f:.6g},{'1/s' if metric == 'requests_s' else 'ms'},"
                     f"{'higher' if metric == 'requests_s' else 'lower'}" for f in (0.99, 1.02, 1, 0.995, 1.01)]
        run("import", path("night.csv", ("\n".join(rows) + "\n").encode()), "--source", source, "--date", night(i), "--store", store, "-q")


def embedded(page):
    with open(page, encoding="utf-8") as f:
        text = f.read()
    assert text.endswith("</html>\n") and "server <b>" not in text
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1)), text


def dashboard(*args, store=STORE, **more):
    return run("dashboard", "--store", store, *args, **more)


def test_page_and_pictures():
    fill(STORE, 40)
    out = os.path.join(TMP, "board")
    p = dashboard("-o", out)
    assert p.text.startswith("1 of 2 series got worse; last night with runs " + night(39)), p.text
    assert f"-8.0 % (worse) since {night(25)}, new " in p.text, p.text
    data, text = embedded(os.path.join(out, "dashboard.html"))
    assert "server &lt;b&gt;x&lt;/b&gt;" in text
    line = data["lines"][0]
    assert len(data["lines"]) == 2 and data["metrics"][line[7]] == "requests_s" and line[8] == 40
    change = line[14][0]
    assert len(line[14]) == 1 and change[0] == 25 and change[2:4] == [1, 1] and abs(change[6] + 0.08) < 0.003, change
    assert data["lines"][1][14] == []
    assert sorted(os.listdir(out)) == ["dashboard.html", "plots"]
    assert sorted(os.listdir(out + "/plots")) == ["changes.svg", "noise.svg", "series-1.svg"]
    for link in re.findall(r"(?:src|href)=[\"']?([^\"' >]+)", re.sub(r"<script.*?</script>", "", text, flags=re.S)):
        assert link.startswith(("#", "data:")), link


def test_summary():
    p = dashboard("-o", os.path.join(TMP, "s.html"), "--json")
    told = json.loads(p.text)
    assert (told["series"], told["points"], told["nights"]) == (2, 80, 40)
    worse = told["worse"]
    assert len(worse) == 1 and worse[0]["metric"] == "requests_s" and worse[0]["state"] == "new" and worse[0]["since"] == night(25)
    assert abs(worse[0]["before"] - 100) < 0.5 and abs(worse[0]["after"] - 92) < 0.5 and worse[0]["p"] < 0.01, worse
    history = json.loads(run("history", "--store", STORE, "--json").text)
    keys = json.dumps(history)
    assert worse[0]["series"] in keys, "the key of the series is that of history"


def test_names_and_units():
    """Every series has its own metric and unit: of thousands, and where two sources measure one name in two units."""
    store, page = os.path.join(TMP, "names.db"), os.path.join(TMP, "names.html")
    for source, unit, n in (("one", "ms", 4200), ("two", "s", 3)):
        rows = ["metric,value,unit,better"] + [f"m{i:04},{1 + i},{unit},lower" for i in range(n)]
        run("import", path("names.csv", ("\n".join(rows) + "\n").encode()), "--source", source, "--date", night(0), "--store", store, "-q")
    dashboard("-o", page, store=store)
    data, _ = embedded(page)
    seen = [(data["models"][line[2]], data["metrics"][line[7]], *data["units"][line[7]]) for line in data["lines"]]
    lower = data["units"][0][1]
    want = [("one", f"m{i:04}", "ms", lower) for i in range(4200)] + [("two", f"m{i:04}", "s", lower) for i in range(3)]
    assert sorted(seen) == sorted(want), set(seen) ^ set(want)


def test_answers():
    """The change has the name that history answers, and the page shows the answer; its old picture goes."""
    store, out = os.path.join(TMP, "answered.db"), os.path.join(TMP, "answered")
    shutil.copy(STORE, store)
    told = json.loads(dashboard("-o", out, "--json", store=store).text)
    run("history", "accept", told["worse"][0]["change"], "--note", "a safer default", "--store", store)
    p = dashboard("-o", out, store=store)
    assert p.text.startswith("No regression is open in 2 series"), p.text
    data, _ = embedded(os.path.join(out, "dashboard.html"))
    change = next(a for a in data["lines"] if a[14])[14][0]
    assert data["states"][change[1]] == "accepted" and change[3] == 0 and change[10] == "a safer default", change
    assert sorted(os.listdir(out + "/plots")) == ["noise.svg"]


def test_since_and_release():
    page = os.path.join(TMP, "r.html")
    dashboard("-o", page, "--release", night(20))
    data, text = embedded(page)
    outcome, before, after, effect = data["lines"][0][18][:4]
    assert outcome == 1 and abs(effect - (after / before - 1)) < 1e-5 and abs(effect + 0.08) < 0.003, data["lines"][0][18]
    assert "Since " + night(20) in text
    dashboard("-o", page, "--since", night(30))
    data, _ = embedded(page)
    assert [a[8] for a in data["lines"]] == [10, 10] and all(a[14] == [] for a in data["lines"])


def test_same_bytes():
    env = {**ENV, "SOURCE_DATE_EPOCH": "1795305600"}
    pages = []
    for name in ("one", "two"):
        out = os.path.join(TMP, "same-" + name)
        dashboard("-o", out, env=env)
        pages.append([open(os.path.join(out, f), "rb").read() for f in ("dashboard.html", "plots/changes.svg", "plots/series-1.svg")])
    assert pages[0] == pages[1] and b"2026-11-22T00:00:00Z" in pages[0][0]


def test_no_gnuplot():
    out, empty = os.path.join(TMP, "plain"), os.path.join(TMP, "no-programs")
    os.makedirs(empty)
    p = dashboard("-o", out, env={**ENV, "PATH": empty})
    assert "gnuplot is not installed" in one_sentence(p) and os.listdir(out) == ["dashboard.html"]
    assert dashboard("-q", "-o", out, env={**ENV, "PATH": empty}).err == ""


def test_nothing_measured():
    p = run("dashboard", "-o", os.path.join(TMP, "empty.html"))   # the store of this user: none yet
    assert "Nothing has been measured yet" in p.text
    data, text = embedded(os.path.join(TMP, "empty.html"))
    assert data["lines"] == [] and "whichquant nightly" in text


def test_refused():
    page = path("kept.html", b"an earlier night")

    def refuse(*args, words, code, store=STORE):
        p = dashboard("-o", page, *args, store=store, expect=code)
        assert words in one_sentence(p), p.err
        assert open(page, "rb").read() == b"an earlier night", "what was there stays"

    refuse("--since", "yesterday", words="2026-11-22", code=2)
    refuse("--release", "0123abc", words="no run in the store is of that commit", code=2)
    refuse(store=os.path.join(TMP, "nope.db"), words="there is no store", code=1)
    assert not os.path.exists(os.path.join(TMP, "nope.db"))
    refuse(store=path("foreign.db", b"this is no database at all, but a text of some length, longer than a header. " * 4),
           words="foreign.db", code=1)
    assert "-o" in one_sentence(dashboard(expect=2))
    p = dashboard("-o", os.path.join(TMP, "no-folder", "x.html"), expect=1)
    assert "no-folder does not exist" in one_sentence(p)
    p = dashboard("-o", page, "more", expect=2)


def test_interrupted_reader():
    """A reader that goes away is no crash."""
    p = subprocess.run(f"'{PROGRAM}' dashboard --store '{STORE}' -o '{TMP}/pipe.html' --json | head -c 10", shell=True, env=ENV,
                       capture_output=True, timeout=60)
    assert b"Segmentation" not in p.stderr and os.path.getsize(TMP + "/pipe.html") > 1000


if __name__ == "__main__":
    sys.exit(main(globals()))
