#!/usr/bin/env python3
"""The brief and `explain`, on records of a real run (tests/fixtures/decide): a program can parse the brief, hostile names
cannot break it, its commands are what a shell takes them for; and the pick against an exhaustive search."""
import json
import os
import random
import re
import subprocess
import sys

from harness import ENV, ROOT, TMP, main, one_sentence, path, run

RECORDS = os.path.join(ROOT, "tests/fixtures/decide/records.jsonl")
DEVICE = os.path.join(ROOT, "tests/fixtures/decide/device.json")
STORED = ["--records", RECORDS, "--from", DEVICE]

HEADINGS = ["Device", "Task", "Constraints", "Answer", "Choices", "Risks", "Steps", "Alternatives", "Notes"]
COLUMNS = {"Device": ["property", "value"], "Task": ["input", "value"], "Constraints": ["limit", "asked"],
           "Answer": ["field", "value"], "Risks": ["risk", "what it is", "what to do"],
           "Choices": ["#", "model", "format", "framework", "file", "memory", "tok/s", "first token", "KLD", "task score",
                       "basis", "why"]}


def plain(text):
    """The text that Markdown shows: backslashes before punctuation and the three entities are undone, nothing else may
    be markup."""
    out, i = "", 0
    while i < len(text):
        c = text[i]
        if c == "\\":
            assert i + 1 < len(text) and not text[i + 1].isalnum(), text
            out += text[i + 1]
            i += 2
            continue
        assert c not in "`*_[]<>|~#$!{}", f"markup {c!r} in {text!r}"
        if c == "&":
            entity = re.match(r"&(amp|lt|gt|quot|#39);", text[i:])
            assert entity, text
            out += {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "#39": "'"}[entity[1]]
            i += len(entity[0])
            continue
        out += c
        i += 1
    return out


def split_row(line):
    assert line.startswith("| ") and line.endswith(" |"), line
    return [plain(c.strip()) for c in re.split(r"(?<!\\)(?:\\\\)*\|", line[1:-1])]


def table(lines, columns):
    assert lines[0] == "" and lines[1] == "| " + " | ".join(columns) + " |", lines[:2]
    assert lines[2] == "|" + "---|" * len(columns) and lines[-1] == "", lines
    rows = [split_row(line) for line in lines[3:-1]]
    assert rows and all(len(r) == len(columns) for r in rows), rows
    return rows


def steps(lines):
    found, i = [], 1
    while i < len(lines) and lines[i] != "none":
        title = re.fullmatch(r"### (\d+)\. (.+)", lines[i])
        assert title and int(title[1]) == len(found) + 1 and lines[i + 1] == "", lines[i:]
        fence = re.fullmatch(r"(`{3,})sh", lines[i + 2])
        if fence:
            assert lines[i + 4] == fence[1] and fence[1] not in lines[i + 3], lines[i:]
            found.append((plain(title[2]), lines[i + 3], ""))
            i += 6
        else:
            found.append((plain(title[2]), "", plain(lines[i + 2])))
            i += 4
    return found


def parse(text):
    """docs/BRIEF.md, strictly: what is not in its form is an error."""
    assert text.endswith("\n") and not re.search(r"[^\n -~\x80-\U0010ffff]", text)
    lines = text[:-1].split("\n")
    assert lines[0].startswith("# Brief: ") and [s[3:] for s in lines if s.startswith("## ")] == HEADINGS
    at = [lines.index("## " + h) for h in HEADINGS] + [len(lines) + 1]
    out = {"title": plain(lines[0][9:])}
    lines.append("")
    for n, name in enumerate(HEADINGS):
        part = lines[at[n] + 1:at[n + 1]]
        if name == "Steps":
            out[name] = steps(part)
        elif name in COLUMNS:
            out[name] = table(part, COLUMNS[name])
        else:
            assert part[0] == "" and part[-1] == "" and all(s.startswith("- ") for s in part[1:-1]), part
            out[name] = [plain(s[2:]) for s in part[1:-1]]
    for name in ("Device", "Task", "Constraints", "Answer"):
        assert len({k for k, _ in out[name]}) == len(out[name]), name
        out[name] = dict(out[name])
    return out


def brief(*args, expect=0):
    return parse(run("decide", *STORED, "--brief", "-q", *args, expect=expect).text)


def test_the_brief_says_what_the_decision_says():
    d = json.loads(run("decide", *STORED, "--json", "-q").text)
    b = brief()
    assert b["Answer"]["verdict"] == d["verdict"] and b["Answer"]["exit code"] == "0"
    assert b["Answer"]["answer"] == d["headline"] and b["Answer"]["why"] == d["reason"]
    assert b["Answer"]["confidence"] == d["confidence"] and b["Constraints"]["KLD, at most"] == "0.1 (default)"
    first = b["Choices"][0]
    assert first[0] == "1" and first[1] == d["recommended"]["model"] and first[2] == d["recommended"]["format"]
    assert first[3] == d["recommended"]["framework"] and first[11] == d["recommended"]["reason"]
    assert 2 <= len(b["Choices"]) <= 3 and len({c[2] for c in b["Choices"]}) == len(b["Choices"])
    formats = {r["format"] for r in d["rows"] if r["verdict"] in ("ok", "recommended")}
    assert {c[2] for c in b["Choices"]} <= formats
    assert [r[0] for r in b["Risks"]] == [r["id"] for r in d["risks"]] and all(r[2] for r in b["Risks"])
    assert [c for _, c, _ in b["Steps"] if c] == d["recommended"]["command"].split(" && ")
    assert b["Notes"][0] == "Nothing is pruned or distilled here; existing distilled and pruned models are catalogue rows."
    assert b["Device"]["name"] == d["recommended"]["device"] and b["Device"]["class"] == d["device_class"]


def test_inputs_stand_in_the_brief():
    b = brief("--task", "code", "--language", "de", "--offline", "--battery-wh", "50", "--ram", "2G", "--min-decode", "3",
              "--ctx", "2048", "--objective", "memory")
    assert b["Task"] == {"task": "code", "language": "de", "network": "offline", "context": "2048 tokens",
                         "prompt": "512 tokens", "objective": "memory"}
    assert b["Constraints"]["memory, at most"] == "2.0 GiB" and b["Constraints"]["generation, at least"] == "3 tok/s"
    assert b["Constraints"]["battery"] == "50 Wh"
    assert {"task", "language"} <= {r[0] for r in b["Risks"]}


def test_nothing_fits():
    b = brief("--ram", "100M", expect=4)
    assert b["Answer"]["verdict"] == "nothing-fits" and b["Answer"]["exit code"] == "4"
    assert re.match(r"This device cannot run .* even at the smallest format: .* needs .*, 100 MiB is usable", b["Answer"]["answer"])
    assert b["Answer"]["limit that binds"] == "memory"
    assert b["Choices"] == [["none"] + ["-"] * 11] and b["Steps"] == []
    assert any("cloud" in a for a in b["Alternatives"])
    offline = brief("--ram", "100M", "--offline", expect=4)
    assert not any("cloud" in a.lower() for a in offline["Alternatives"]) and "cloud" not in offline["Answer"]["nearest that fits"]


def test_out():
    text = run("decide", *STORED, "--brief", "-q").text
    run("decide", *STORED, "-q", "-o", "brief.md")
    assert open(os.path.join(TMP, "brief.md"), encoding="utf-8").read() == text
    run("decide", *STORED, "-q", "-o", "folder.d")
    assert open(os.path.join(TMP, "folder.d/brief.md"), encoding="utf-8").read() == text
    run("decide", *STORED, "-q", "-o", "one.csv")
    assert open(os.path.join(TMP, "one.csv"), encoding="utf-8").read().startswith("rank,recommended,")
    json.load(open(run("decide", *STORED, "-q", "-o", os.path.join(TMP, "one.json")) and os.path.join(TMP, "one.json")))
    one_sentence(run("decide", *STORED, "-q", "-o", "no/such/folder/brief.md", expect=1))
    one_sentence(run("decide", "--device", "raspberry-pi-5-8gb", "-q", "-o", "no/such/folder/brief.md", expect=1))
    run("decide", "--device", "raspberry-pi-5-8gb", "-q", "-o", "pi.md")
    assert parse(open(os.path.join(TMP, "pi.md"), encoding="utf-8").read())["Device"]["class"] == "sbc"
    assert not os.path.exists(os.path.join(TMP, "no"))


HOSTILE = ["# heading", "a|b|c", "`rm -rf ~`", "```\n# x\n```", "[x](javascript:alert(1))", "<script>alert(1)</script>",
           "$(touch pwned)", "a\nb\n## Risks\n", "\\| x \\", "*b* _i_ ~~s~~", "&lt;b&gt;", "![i](http://x/y.png)", "- - 1. x",
           "\x1b[31mred", "\u202egnp.exe", "1. one", "'\"; touch pwned; \"'", "{{x}}", "---", "| --- | --- |"]


def hostile_store(name):
    lines = []
    for line in open(RECORDS, encoding="utf-8"):
        r = json.loads(line)
        r["model"]["name"] = name if not r["model"]["synthesized"] else name + " shape"
        r["device"] = name
        r["model"]["license"] = name
        lines.append(json.dumps(r))
    return path("hostile.jsonl", "\n".join(lines).encode())


def test_hostile_names_do_not_break_it():
    for name in HOSTILE:
        p = run("decide", "--records", hostile_store(name), "--from", DEVICE, "--brief", "-q")
        b = parse(p.text)
        shown = "".join("\ufffd" if ord(c) < 32 and c not in "\t\n\r" or c == "\u202e" else " " if c in "\t\n\r" else c
                        for c in name).strip()
        assert b["Device"]["name"] == shown.replace("  ", " ") or b["Device"]["name"].split() == shown.split(), (name, b["Device"])
        assert len(b["Choices"]) == 3 and all(len(c) == 12 for c in b["Choices"])
        for _, command, _ in b["Steps"]:
            assert not command or subprocess.run(["sh", "-n"], input=command.encode()).returncode == 0, command


PATHS = ["plain.gguf", "with space.gguf", "it's.gguf", "a\"b.gguf", "a`id`b.gguf", "$(touch pwned).gguf", "-dash.gguf",
         "a\nb.gguf", "a\tb.gguf", "semi;colon&&and|pipe.gguf", "back\\slash.gguf", "star*?[x].gguf", "~tilde.gguf",
         "#hash.gguf", "\u6a21\u578b.gguf", "\u202egnp.gguf", "a\x01b.gguf", "!bang.gguf", "a && b.gguf", "' && touch pwned && '.gguf"]


def test_commands_are_what_a_shell_takes_them_for():
    """Each command is run by sh with programs of those names that write down their arguments."""
    tools = os.path.join(TMP, "tools")
    os.makedirs(tools, exist_ok=True)
    for tool in ("whichquant", "llama-server"):
        with open(os.path.join(tools, tool), "w") as f:
            f.write('#!/bin/sh\nprintf \'%s\\0\' "$0" "$@" >> "$SEEN"\nprintf \'\\1\\0\' >> "$SEEN"\n')
        os.chmod(os.path.join(tools, tool), 0o755)
    with open(os.path.join(ROOT, "datasets/models/default.gguf"), "rb") as f:
        model = f.read()
    for name in PATHS:
        full = path(name, model)
        p = run("--estimate", "--brief", "-q", "--format", "q4_0", "--", name if name[0] == "-" else full)
        commands = [c for _, c, _ in parse(p.text)["Steps"] if c]
        assert len(commands) == 2, commands
        seen = os.path.join(TMP, "seen")
        for command in commands:
            if os.path.exists(seen):
                os.remove(seen)
            q = subprocess.run(["sh", "-c", command], cwd=TMP, capture_output=True,
                               env={**ENV, "PATH": tools + ":/bin:/usr/bin", "SEEN": seen})
            assert q.returncode == 0 and not q.stderr, (command, q.stderr)
            args = open(seen, "rb").read().decode().split("\0")
            assert args[-2] == "\1" and args.count("\1") == 1, (command, args)
            if os.path.basename(args[0]) == "whichquant":
                given = args[2]
                assert os.path.normpath(os.path.join(TMP, given)) == os.path.normpath(full), (command, args)
        assert not os.path.exists(os.path.join(TMP, "pwned"))


def test_explain():
    e = json.loads(run("explain", "q2_k", *STORED, "--max-kld", "0.05", "--json").text)
    assert e["standing"] == "over a limit" and e["binding_limit"] == "quality"
    limit = next(x for x in e["limits"] if x["rule"] == "max_kld")
    assert limit["state"] == "broken" and abs(limit["short_by"] - (e["row"]["kld"] - 0.05)) < 1e-12
    option = re.search(r"--max-kld ([\d.]+)", e["cures"][0]["change"])[1]
    d = json.loads(run("decide", *STORED, "--json", "--max-kld", option).text)
    row = next(r for r in d["rows"] if r["format"] == "gguf/q2_k" and r["framework"] == "llama.cpp")
    assert row["verdict"] in ("ok", "dominated", "recommended")
    text = run("explain", "Q4_K_M@llama.cpp", *STORED).text
    for word in ("cell ", "limits ", "60 s ", "run  "):
        assert word in text, text
    pick = json.loads(run("decide", *STORED, "--json").text)["recommended"]["format"]
    assert json.loads(run("explain", pick, *STORED, "--json").text)["standing"] == "pick"
    assert "did you mean q4_k_m" in one_sentence(run("explain", "q4_k_mm", *STORED, expect=2))
    assert "--estimate" in one_sentence(run("explain", "iq3_xxs", *STORED, expect=1))
    one_sentence(run("explain", "q4_0", "--records", path("none.jsonl", b""), expect=1))
    assert json.loads(run("explain", "q4_0", "default", "--estimate", "--json").text)["row"]["format"] == "gguf/q4_0"
    one_sentence(run("explain", expect=2))


def test_described_devices():
    pi = ["--device", "raspberry-pi-5-8gb"]
    b = parse(run("decide", *pi, "--brief", "-q").text)
    d = json.loads(run("decide", *pi, "--json", "-q").text)
    assert b["Device"]["name"].startswith("Raspberry Pi 5") and b["Device"]["class"] == "sbc"
    assert len({c[1] for c in b["Choices"]}) == len(b["Choices"]) >= 2        # different models
    assert b["Choices"][0][1:3] == [d["recommended"]["model"], d["recommended"]["format"]]
    assert {"estimated", "no_fan"} <= {r[0] for r in b["Risks"]}
    assert any(re.match(r"(llama-server -hf|ollama run|hf download) ", c) for _, c, _ in b["Steps"])
    e = json.loads(run("explain", d["recommended"]["model"], *pi, "--json").text)
    assert e["standing"] == "pick" and e["row"]["format"] == d["recommended"]["format"]
    e = json.loads(run("explain", "llama-3.1-8b/q8_0", *pi, "--ctx", "32768", "--json").text)
    short = {x["rule"]: x["short_by"] for x in e["limits"] if x["state"] == "broken"}
    assert abs(short["memory"] - (e["row"]["peak_bytes"] - e["row"]["usable_bytes"])) < 1 and short["min_decode"] > 0
    assert all(x["figure"] != "KLD" for x in e["beside"])                     # says nothing across models
    b = parse(run("decide", "--model", "llama-3.3-70b", *pi, "--brief", "-q", expect=4).text)
    assert "cannot run llama-3.3-70b even at the smallest format" in b["Answer"]["answer"] and b["Steps"] == []
    assert any("cloud" in a for a in b["Alternatives"])
    offline = parse(run("decide", "--model", "llama-3.3-70b", *pi, "--brief", "-q", "--offline", expect=4).text)
    assert not any("cloud" in a.lower() for a in offline["Alternatives"])
    assert parse(run("decide", "--device", "esp32-s3", "--brief", "-q", expect=4).text)["title"].startswith("the catalogue's models on")
    phone = parse(run("decide", "--device", "iphone-15-pro", "--brief", "-q", "--battery-wh", "12").text)
    assert any("3.0 h of generating" in r[1] for r in phone["Risks"] if r[0] == "battery_hours")


# ---- the pick against an exhaustive search ----

def relabelled():
    """The same figures as if measured in the framework: then they have narrow intervals."""
    lines = []
    for line in open(RECORDS, encoding="utf-8"):
        r = json.loads(line)
        if r["model"]["synthesized"]:
            r["framework"]["name"] = "llama.cpp"
        lines.append(json.dumps(r))
    return path("relabelled.jsonl", "\n".join(lines).encode())


def metric(row, objective):
    """(figure, its best end, its worst end), larger is better."""
    if objective == "quality":
        return -row["kld"], -row["kld_lo"], -row["kld_hi"]
    if objective == "memory":
        return (-row["peak_bytes"],) * 3
    return row["decode_tok_s"], row["decode_tok_s_hi"], row["decode_tok_s_lo"]


def exhaustive(rows, w):
    kld = w.get("max-kld", 0.1 if w["objective"] == "balanced" else float("inf"))
    fits = [r for r in rows if r["peak_bytes"] <= w.get("ram", 1e30) and r["weights_bytes"] <= w.get("disk", 1e30)
            and r["decode_tok_s"] >= w.get("min-decode", 0) and r["ttft_ms"] <= 1000 * w.get("max-ttft", 1e30)
            and r["top1_agreement"] >= w.get("min-quality", 0)]
    within = [r for r in fits if r["kld"] <= kld]
    if fits and not within and "max-kld" not in w:      # nothing keeps the default: the closest
        least = min(r["kld"] for r in fits)
        within = [r for r in fits if r["kld"] <= least]
    return within


def limit_sets(rows, n):
    """Limits at and between the figures of the rows, so that they bind."""
    rng = random.Random(7)
    one = lambda key, scale: rng.choice(rows)[key] * rng.choice([0.99, 1.01, 1.2]) * scale
    for i in range(n):
        w = {"objective": ["balanced", "speed", "quality", "memory"][i % 4]}
        for name, key, scale in (("ram", "peak_bytes", 1), ("disk", "weights_bytes", 1), ("max-kld", "kld", 1),
                                 ("min-decode", "decode_tok_s", 0.9), ("max-ttft", "ttft_ms", 0.001),
                                 ("min-quality", "top1_agreement", 0.98)):
            if rng.random() < 0.35:
                w[name] = one(key, scale)
                w[name] = int(w[name]) if name in ("ram", "disk") else w[name]
        if w.get("min-quality", 0) > 1:
            del w["min-quality"]
        yield w


def check_optimum(records, n):
    base = ["decide", "--records", records, "--from", DEVICE, "--json", "-q"]
    rows = [r for r in json.loads(run(*base, "--objective", "speed").text)["rows"] if r["framework"] != "own"]
    assert len(rows) >= 15
    regrets, answers, none = [], set(), 0
    for w in limit_sets(rows, n):
        options = [x for k, v in w.items() for x in ("--" + k, repr(v) if isinstance(v, float) else str(v))]
        best = exhaustive(rows, w)
        p = run(*base, *options, expect=0 if best else None)
        d = json.loads(p.text)
        if not best:
            assert p.returncode in (3, 4) and d["recommended"] is None and d["verdict"] == "nothing-fits", (w, d["headline"])
            none += 1
            continue
        pick = d["recommended"]
        assert pick["format"] in {r["format"] for r in best}, (w, pick["format"])
        top = max(best, key=lambda r: metric(r, w["objective"]))
        (v, hi, _), (t, _, lo) = metric(pick, w["objective"]), metric(top, w["objective"])
        assert v == t or hi >= lo, f"{w}: {pick['format']} is not tied with {top['format']}"
        regrets.append(abs(t - v) / abs(t) if t else abs(v))
        answers.add(pick["format"])
    assert len(regrets) >= n // 2 and len(answers) >= 4 and none, (len(regrets), answers, none)
    regrets.sort()
    print(f"     {len(regrets)} limit sets with an answer, {none} without; {len(answers)} different picks; "
          f"{sum(r == 0 for r in regrets)} are the optimum itself, the others tie with it within error; "
          f"regret median {100 * regrets[len(regrets) // 2]:.2f} %, largest {100 * regrets[-1]:.1f} %")
    return regrets


def test_the_pick_is_the_optimum_of_an_exhaustive_search():
    regrets = check_optimum(relabelled(), 80)
    assert sum(r == 0 for r in regrets) > 0.5 * len(regrets)


def test_the_pick_ties_with_the_optimum_where_ratios_are_published():
    check_optimum(RECORDS, 40)


if __name__ == "__main__":
    sys.exit(main(globals()))
