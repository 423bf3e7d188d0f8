#!/usr/bin/env python3
"""Writes docs/QUALITY.md from finished sweeps: quality_tables.py RESULT... > docs/QUALITY.md

RESULT is the folder that `whichquant MODEL -o FOLDER` wrote, or the document of `whichquant MODEL --json`. Results of
one model are merged: a format measured twice stands once, with its larger number of chunks. Nothing is computed here
that the results do not hold; only the order, by KLD, is made."""
import json
import os
import sys


def load(path):
    """(decision, records of the run) of a folder or a JSON document."""
    folder = os.path.isdir(path)
    with open(os.path.join(path, "decision.json") if folder else path, encoding="utf-8") as f:
        decision = json.load(f)
    records = []
    if folder:
        with open(os.path.join(path, "records.jsonl"), encoding="utf-8") as f:
            records = [json.loads(line) for line in f if line.strip()]
    return decision, records


def chunks_of(records):
    return {r["format"]["name"]: r["quality"]["n_chunks"] or 0 for r in records if not of_cache(r)
            and r.get("quality", {}).get("kld") is not None}


def of_cache(record):
    """Of a sweep's second axis: a KV cache by itself, without a format of the weights."""
    return not record["format"].get("name") and record["workload"].get("kv_type")


def merge_caches(results):
    """model -> {"caches": cache -> length -> record, "about": record}; of two measurements the one with more chunks."""
    models = {}
    for _, records in results:
        for r in filter(of_cache, records):
            m = models.setdefault(r["model"]["name"], {"caches": {}, "about": r})
            lengths = m["caches"].setdefault(r["workload"]["kv_type"], {})
            old = lengths.get(r["workload"]["n_ctx"])
            if old is None or (r["quality"]["n_chunks"] or 0) > (old["quality"]["n_chunks"] or 0):
                lengths[r["workload"]["n_ctx"]] = r
    return models


def merge(results):
    """model -> {"rows": format -> row, "claims": id -> claim, "about": record}"""
    models = {}
    for decision, records in results:
        caches = {of_cache(r) for r in records}
        n_chunks = chunks_of(records)
        for row in decision["rows"]:
            other_cache = row.get("kv_kld") is not None or (row["kld"] is None and row.get("kv_type") in caches)
            if row["framework"] == "own" or other_cache:
                continue
            m = models.setdefault(row["model"], {"rows": {}, "claims": {}, "about": None, "device": row["device"]})
            row["chunks"] = n_chunks.get(row["format"], 0)
            old = m["rows"].get(row["format"])
            if old is None or (row["kld"] is not None, row["chunks"]) > (old["kld"] is not None, old["chunks"]):
                m["rows"][row["format"]] = row
            for record in records:
                evaluated = not of_cache(record) and record.get("quality", {}).get("kld") is not None
                if m["about"] is None and evaluated and record["model"]["name"] == row["model"]:
                    m["about"] = record
        for claim in decision.get("claims", []):
            group = models.get(decision["subject"])
            if group is not None and (claim["verdict"] != "not measured" or claim["id"] not in group["claims"]):
                group["claims"][claim["id"]] = claim
    return models


def number(x, digits):
    return "" if x is None else f"{x:.{digits}f}"


def kld(row):
    half = "" if row["kld_hi"] is None else f" ± {(row['kld_hi'] - row['kld_lo']) / 2:.5f}"
    return f"{row['kld']:.5f}{half}"


def cell(text):
    return str(text or "").replace("|", "\\|").replace("\n", " ")


def table(rows, out):
    tasks = any(r.get("task_share") is not None for r in rows)
    chunks = {r["chunks"] for r in rows}
    head = ["format", "runtime", "bits per weight", "KLD", "same top", "PPL ratio"]
    head += ["accuracy kept"] if tasks else []
    head += ["chunks"] if len(chunks) > 1 else []
    out.append("| " + " | ".join(head) + " |")
    out.append("|---|---|" + "--:|" * (len(head) - 2))
    for r in rows:
        line = [r["format"], r["framework"], number(r["effective_bpw"], 2), kld(r),
                number(100 * r["top1_agreement"], 2) + " %", number(r["ppl_ratio"], 4)]
        if tasks:
            share = r.get("task_share")
            line.append("" if share is None else f"{100 * share:.1f} % ({100 * r['task_share_lo']:.1f} to "
                                                 f"{100 * r['task_share_hi']:.1f})")
        if len(chunks) > 1:
            line.append(str(r["chunks"]))
        out.append("| " + " | ".join(cell(x) for x in line) + " |")


def describe(name, m):
    about = m["about"]
    if about is None:
        return f"{name}."
    source = f", source {about['model']['source_format']}" if about["model"].get("source_format") else ""
    dither = ", dithered off its grid" if about["model"].get("dithered") else ""
    chunks = sorted({r["chunks"] for r in m["rows"].values() if r["chunks"]})
    span = "" if not chunks else f"; {chunks[0]}" + (f" to {chunks[-1]}" if len(chunks) > 1 else "") + " chunks"
    return (f"{about['model']['n_params'] / 1e6:.0f} M parameters{source}{dither}{span} of {about['workload']['n_ctx']} "
            f"tokens, text sha256 {about['workload']['text_sha256'][:12]}, {about['date'][:10]}.")


def model_section(name, m, out):
    rows = list(m["rows"].values())
    measured = sorted((r for r in rows if r["kld"] is not None), key=lambda r: r["kld"])
    rest = sorted((r for r in rows if r["kld"] is None), key=lambda r: r["format"])
    out += ["", f"## {name}", "", describe(name, m), ""]
    if measured:
        table(measured, out)
    if rest:
        out += ["", f"Not measured ({len(rest)}):", ""]
        out += [f"- {r['format']}: {cell(r['reason'])}" for r in rest]


def caches_section(name, m, out):
    lengths = sorted({n for c in m["caches"].values() for n, r in c.items() if r["quality"]["kld"] is not None})
    measured = {k: c for k, c in m["caches"].items() if any(r["quality"]["kld"] is not None for r in c.values())}
    if not measured:
        return
    sizes = {k: next(r["memory"]["kv_bytes"] for r in c.values() if r["memory"].get("kv_bytes")) for k, c in measured.items()}
    w = m["about"]["model"]
    out += ["", f"## KV caches: {name}", "",
            f"Each cache by itself, on the model's own weights ({w.get('source_format') or 'as they are'}), against an f32 "
            "cache, all else exact; ± is one standard error over the scored tokens (the second half of each chunk). Text "
            f"sha256 {m['about']['workload']['text_sha256'][:12]}, {m['about']['date'][:10]}.", ""]
    head = ["KV cache"] + (["bytes of f16's"] if "f16" in sizes else [])
    for n in lengths:
        head += [f"KLD at {n}", "same top", "PPL ratio", "chunks"]
    out += ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]

    def of_longest(item):
        found = [r["quality"]["kld"] for _, r in sorted(item[1].items()) if r["quality"]["kld"] is not None]
        return found[-1]

    for k, c in sorted(measured.items(), key=of_longest):
        line = [k] + ([number(100 * sizes[k] / sizes["f16"], 1) + " %"] if "f16" in sizes else [])
        for n in lengths:
            q = c[n]["quality"] if n in c else None
            if q is None or q["kld"] is None:
                line += ["", "", "", ""]
            else:
                line += [f"{q['kld']:.6f} ± {q['kld_err']:.6f}", number(100 * q["top1_agreement"], 2) + " %",
                         number(q["ppl_ratio"], 4), str(q["n_chunks"])]
        out.append("| " + " | ".join(cell(x) for x in line) + " |")
    refused = {k: next(iter(c.values()))["reason"] for k, c in m["caches"].items() if k not in measured}
    if refused:
        out += ["", f"Not measured ({len(refused)}):", ""] + [f"- {k}: {cell(r)}" for k, r in sorted(refused.items())]


def claims_section(models, out):
    ids = []
    for m in models.values():
        ids += [i for i in m["claims"] if i not in ids]
    if not ids:
        return
    names = [n for n, m in models.items() if m["claims"]]
    out += ["", "## Claimed beside measured", "",
            "What course material asserts of these formats, as `whichquant list claims` prints it, beside what the "
            "sweeps above found.", "",
            "| claim | of | claimed | " + " | ".join(cell(n) for n in names) + " |", "|---|---|--:|" + "---|" * len(names)]
    for i in ids:
        c = next(m["claims"][i] for m in models.values() if i in m["claims"])
        found = [models[n]["claims"].get(i) for n in names]
        line = [c["what"], c["subject"], c["claimed"]]
        line += ["" if f is None else f["verdict"] if f["verdict"] == "not measured" else f"{f['here']}: {f['verdict']}"
                 for f in found]
        out.append("| " + " | ".join(cell(x) for x in line) + " |")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    results = [load(path) for path in sys.argv[1:]]
    models = merge(results)
    out = ["# Quality of every format", "",
           "Made by `tools/quality_tables.py` from finished sweeps; no figure is written by hand. KLD is the mean KL",
           "divergence from the unquantized weights in nats, ± half of its 95 % interval (bootstrap over chunks); same top",
           "is the share of tokens whose most likely word stays; PPL ratio is perplexity over the reference's. Each format",
           "is evaluated with the arithmetic of the runtime named beside it (docs/METHOD.md)."]
    for name, m in models.items():
        model_section(name, m, out)
    for name, m in merge_caches(results).items():
        caches_section(name, m, out)
    claims_section(models, out)
    print("\n".join(out))


main()
