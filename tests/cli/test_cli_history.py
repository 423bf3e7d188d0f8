#!/usr/bin/env python3
"""history on SQLite and on a PostgreSQL server of the test's own: the list and its forms, upkeep, files out and in,
eight writers at once, writers killed and a server killed in mid-ingest, full disks, foreign, damaged and newer stores.
Independent truth: the sqlite3 module, psql and the numbers that were put in."""
import csv
import io
import json
import os
import random
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import ENV, PROGRAM, TMP, Skip, one_sentence, path, run  # noqa: E402
from postgres import Cluster, program  # noqa: E402

RANDOM = random.Random(5)
CLUSTER = Cluster() if program("initdb") else None
COUNT = 0


def stores(then):
    """The test on both: it gets the arguments that name an empty store."""
    def both():
        global COUNT
        if not CLUSTER:
            raise Skip("no PostgreSQL here (Debian: postgresql)")
        for kind in ("sqlite", "postgres"):
            COUNT += 1
            name = f"s{COUNT}"
            then(os.path.join(TMP, name + ".db") if kind == "sqlite" else CLUSTER.new(name))
    both.__name__ = then.__name__
    return both


def record(night, fmt="gguf/q4_0", rate=40.0, reps=5, **more):
    """A cell of a night; its figure is the median of its repetitions."""
    rates = [rate * RANDOM.gauss(1, 0.004) for _ in range(reps)]
    return {"schema": 1, "date": f"2026-{1 + night // 28:02d}-{1 + night % 28:02d}T03:00:00Z", "run_id": f"n{night}",
            "env_sha256": "e" * 64, "hw_sha256": "f" * 64, "device": "box", "tool_commit": f"c{night}",
            "model": {"name": "tiny", "sha256": "a" * 64}, "format": {"name": fmt},
            "framework": {"name": "llama.cpp", "version": f"b{6000 + night}-abc{night}"},
            "workload": {"n_gen": 64, "threads": 2}, "status": "ok",
            "speed": {"from": "measured", "decode_ns": [64e9 / r for r in rates],
                      "decode_tok_s": {"v": statistics.median(rates), "lo": None, "hi": None}}, **more}


def lines(name, records):
    return path(name, "".join(json.dumps(r) + "\n" for r in records).encode())


def verified(store):
    answer = json.loads(run("history", "verify", "--json", "--store", store).text)
    assert answer["clean"] and answer["n_problems"] == 0, answer
    return answer


def query(store, sql):
    if store.startswith("postgresql"):
        name = store.split("/")[3].split("?")[0]
        return CLUSTER.sql(sql, name).stdout.strip()
    with sqlite3.connect(store) as db:
        return "|".join(str(x) for x in db.execute(sql).fetchone())


@stores
def test_list(store):
    records = [record(n, f) for n in range(30) for f in ("gguf/q4_0", "gguf/q8_0")]
    empty = run("history", "--store", store)
    assert "no series" in empty.text, empty.text
    assert json.loads(run("history", "--json", "--store", store).text) == []
    answer = json.loads(run("history", "import", lines("l.jsonl", records), "--json", "--store", store).text)
    assert answer == {"records": 60, "foreign": 0, "changes": 0, "known": 0}, answer
    answer = json.loads(run("history", "import", lines("l.jsonl", records), "--json", "--store", store).text)
    assert answer["records"] == 0 and answer["known"] == 60, answer
    series = json.loads(run("history", "--json", "--store", store).text)
    assert [s["format"] for s in series] == ["gguf/q4_0", "gguf/q8_0"]
    for s in series:
        mine = [r["speed"]["decode_tok_s"]["v"] for r in records if r["format"]["name"] == s["format"]]
        assert all(abs(p["value"] / v - 1) < 1e-9 for p, v in zip(s["points"], mine)) and len(mine) == len(s["points"])
        assert abs(s["median"] / statistics.median(mine) - 1) < 1e-9
        middle = statistics.median(mine)
        mad = 1.4826 * statistics.median(abs(v - middle) for v in mine) / middle
        assert abs(s["noise"] - mad) < 1e-4 * mad, (s["noise"], mad)
        assert [p["commit"] for p in s["points"]] == [f"abc{n}" for n in range(30)]
        assert s["metric"] == "decode_tok_s" and s["unit"] == "tok/s" and s["better"] == 1
    rows = list(csv.DictReader(io.StringIO(run("history", "--csv", "--store", store, "--format", "q8_0").text)))
    assert len(rows) == 30 and rows[3]["time"] == "2026-01-04T03:00:00Z" and rows[3]["format"] == "gguf/q8_0"
    assert len({r["series"] for r in rows}) == 1
    text = run("history", "--store", store, "--since", "2026-01-20").text.split("\n")
    assert len(text) == 4 and text[1].split()[6] == "11", text    # 20 to 28 January, 1 and 2 February
    assert "that match" in run("history", "--store", store, "--model", "other").text
    assert run("history", "--store", store, "--since", "yesterday", expect=2).text == ""


def test_csv_holds_no_formulas():
    """Names come from files of strangers, and tables are opened in spreadsheets."""
    store = os.path.join(TMP, "formula.db")
    bad = record(0, model={"name": '=HYPERLINK("http://x";"y")', "sha256": "a" * 64})
    run("history", "import", lines("formula.jsonl", [bad]), "--store", store)
    row, = csv.DictReader(io.StringIO(run("history", "--csv", "--store", store).text))
    assert row["model"] == "'" + bad["model"]["name"] and row["series"].startswith("'=HYPERLINK"), row
    assert json.loads(run("history", "--json", "--store", store).text)[0]["model"] == bad["model"]["name"]


@stores
def test_out_and_in(store):
    run("history", "import", lines("o.jsonl", [record(n) for n in range(40)]), "--store", store)
    first = os.path.join(TMP, "first.jsonl")
    run("history", "export", "-o", first, "--store", store)
    assert verified(store)["runs"] == 40
    with open(first) as f:
        exported = [json.loads(line) for line in f]
    assert [r["run_id"] for r in exported] == [f"n{n}" for n in range(40)]
    other = os.path.join(TMP, f"other{COUNT}.db")
    run("history", "import", first, "--store", other)
    assert run("history", "export", "--store", other).text == open(first).read()
    # a bad line: its number, and what stands before it is kept
    bad = lines("bad.jsonl", [record(100), record(101)])
    with open(bad, "a") as f:
        f.write('{"schema":1,"date":\n' + json.dumps(record(102)) + "\n")
    p = run("history", "import", bad, "--store", store, expect=1)
    assert "line 3" in one_sentence(p), p.err
    assert verified(store)["runs"] == 42
    for text, word in (('{"schema":7}', "schema 7"), ('{"hello":1}', "schema number"), ('{"change":{"id":"x"}}', "change"),
                       ('{"foreign":1,"date":"soon"}', "no date"), ("[1]", "schema number")):
        p = run("history", "import", path("one.jsonl", text.encode()), "--store", store, expect=1)
        assert word in one_sentence(p) and "line 1" in p.err, p.err
    assert "cannot open" in one_sentence(run("history", "import", "nothing.jsonl", "--store", store, expect=1))
    assert verified(store)["runs"] == 42


@stores
def test_prune(store):
    run("history", "import", lines("p.jsonl", [record(n) for n in range(50)]), "--store", store)
    run("history", "prune", "--store", store, expect=2)
    would = json.loads(run("history", "prune", "--keep", "2026-02-01", "--dry-run", "--json", "--store", store).text)
    assert would == {"runs": 28, "samples": 140, "kept_for_open_changes": 0, "dry_run": True}, would
    assert verified(store)["runs"] == 50
    assert "22 runs with 110 repetitions dropped" in run("history", "prune", "--keep-runs", "28", "--store", store).text
    answer = verified(store)
    assert answer["runs"] == 28 and answer["samples"] == 140 and answer["points"] == 28, answer
    assert query(store, "SELECT min(date), count(*) FROM run") == "2026-01-23T03:00:00Z|28"


@stores
def test_contradictions_and_clocks(store):
    """The same cell, night and run twice with other figures: both are kept, each once. A clock that went back."""
    first, second = record(5, rate=40), record(5, rate=50)
    run("history", "import", lines("c.jsonl", [record(9), first, second, first, second, record(2)]), "--store", store)
    s = json.loads(run("history", "--json", "--store", store).text)[0]
    assert [p["time"][:10] for p in s["points"]] == ["2026-01-03", "2026-01-06", "2026-01-06", "2026-01-10"]
    assert [round(p["value"], -1) for p in s["points"]] == [40, 40, 50, 40]
    verified(store)


@stores
def test_changes(store):
    run("history", "import", lines("g.jsonl", [record(n) for n in range(20)]), "--store", store)
    key = json.loads(run("history", "--json", "--store", store).text)[0]["key"]
    change = {"id": "0123456789abcdef", "series": key, "metric": "decode_tok_s", "run_before": "", "run_after": "",
              "time": 1768014000, "before": 40, "after": 30, "effect": -0.25, "p": 0.001, "state": "new",
              "found_by": "gate", "note": "", "link": ""}
    run("history", "import", lines("h.jsonl", [{"change": change}]), "--store", store)
    assert "no change" in one_sentence(run("history", "accept", "ffff", "--store", store, expect=1))
    assert "4 to 16" in one_sentence(run("history", "accept", "01", "--store", store, expect=2))
    run("history", "accept", "--store", store, expect=2)
    run("history", "noise", "0123456789ABC", "--note", "it's 100 %", "--link", "https://example.org/7", "--store", store)
    out = [json.loads(x) for x in run("history", "export", "--store", store).text.split("\n")[:-1]][-1]["change"]
    assert out["state"] == "noise" and out["note"] == "it's 100 %" and out["link"] == "https://example.org/7", out
    run("history", "import", lines("h.jsonl", [{"change": change}]), "--store", store)      # what was said here stands
    assert '"state":"noise"' in run("history", "export", "--store", store).text
    p = run("history", "acept", "0123", "--store", store, expect=2)
    assert "did you mean accept" in one_sentence(p)


def start(*args, **more):
    return subprocess.Popen([PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=TMP, env=ENV, **more)


@stores
def test_eight_writers(store):
    """Each brings 60 records of its own and 40 that all bring; the store is made by whoever comes first."""
    common = [record(n, "common") for n in range(40)]
    files = [lines(f"w{i}.jsonl", common[::1 if i % 2 else -1] + [record(n, f"f{i}") for n in range(60)]) for i in range(8)]
    running = [start("history", "import", f, "--store", store) for f in files]
    for p in running:
        _, err = p.communicate(timeout=120)
        assert p.returncode == 0, err.decode()
    answer = verified(store)
    assert answer["runs"] == 8 * 60 + 40 and answer["points"] == answer["runs"], answer


@stores
def test_killed_writers(store):
    """SIGKILL at random moments of eight imports: whole records or nothing; the rest comes by importing again."""
    files = [lines(f"k{i}.jsonl", [record(n, f"f{i}") for n in range(400)]) for i in range(4)]
    for f in files * 2:
        p = start("history", "import", f, "--store", store)
        time.sleep(RANDOM.uniform(0.01, 0.4))
        p.send_signal(signal.SIGKILL)
        p.wait()
        p.communicate()
        verified(store)
    for f in files:
        run("history", "import", f, "--store", store)
    assert verified(store)["runs"] == 1600


def test_server_killed_in_mid_ingest():
    if not CLUSTER:
        raise Skip("no PostgreSQL here (Debian: postgresql)")
    url = CLUSTER.new("killed")
    big = lines("big.jsonl", [record(n % 300, f"f{n}") for n in range(6000)])
    p = start("history", "import", big, "--store", url.replace("postgres@", "postgres:not-to-be-seen@"))
    while query(url, "SELECT count(*) FROM pg_tables WHERE tablename = 'series_point'") != "1":
        time.sleep(0.02)
    while int(query(url, "SELECT count(*) FROM run")) < 256:
        time.sleep(0.02)
    CLUSTER.stop(signal.SIGQUIT)
    out, err = p.communicate(timeout=60)
    text = err.decode()
    assert p.returncode == 1 and "lost" in text and "not-to-be-seen" not in text and text.count("\n") == 1, text
    gone = run("history", "--store", url, expect=1)
    assert "cannot connect" in one_sentence(gone), gone.err
    CLUSTER.start()
    n = verified(url)["runs"]
    assert 0 < n < 6000 and n % 256 == 0, n                     # whole transactions
    run("history", "import", big, "--store", url)
    assert verified(url)["runs"] == 6000


def test_urls():
    for url in ("postgresql://u:hidden@/nothing?host=/nowhere", "postgresql://u:hid?den@localhost:1/x",
                "postgresql://u@localhost:1/x?password=hidden"):
        p = run("history", "--store", url, expect=1)
        assert "hid" not in p.err and "cannot connect" in one_sentence(p), p.err
    for url in ("postgresql://u:hid@den@host/x", "postgresql://u:hid/den@host/x", "postgresql://[::1/den"):
        p = run("history", "--store", url, expect=2)
        assert "den" not in p.err and "hid" not in p.err and "percent-encode" in one_sentence(p), p.err


def test_foreign_and_newer_servers():
    if not CLUSTER:
        raise Skip("no PostgreSQL here (Debian: postgresql)")
    url = CLUSTER.new("foreign")
    CLUSTER.sql("CREATE TABLE run(x int); INSERT INTO run VALUES (7)", "foreign")
    assert "another program" in one_sentence(run("history", "--store", url, expect=1))
    assert CLUSTER.sql("SELECT x FROM run", "foreign").stdout.strip() == "7"
    assert CLUSTER.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "foreign").stdout.strip() == "1"
    url = CLUSTER.new("newer")
    run("history", "--store", url)
    CLUSTER.sql("UPDATE whichquant_store SET version = 99", "newer")
    assert "newer" in one_sentence(run("history", "--store", url, expect=1))
    CLUSTER.sql("UPDATE whichquant_store SET version = 2; DROP TABLE sample CASCADE", "newer")
    p = run("history", "import", lines("n.jsonl", [record(1)]), "--store", url, expect=1)
    assert "damaged" in one_sentence(p), p.err
    CLUSTER.sql("CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", "newer")
    p = run("history", "import", lines("n.jsonl", [record(1)]), "--store", CLUSTER.url("newer", "reader"), expect=1)
    assert "right" in one_sentence(p), p.err


def limit_files(size):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return limit


def test_full_disk():
    """A limit on the size of files stands in for it. The store stays readable; nothing is there by half."""
    store = os.path.join(TMP, "full.db")
    big = lines("f.jsonl", [record(n % 300, f"f{n}") for n in range(3000)])
    run("history", "--store", store)
    p = start("history", "import", big, "--store", store, preexec_fn=limit_files(4_000_000))
    _, err = p.communicate(timeout=60)
    assert p.returncode == 1 and b"full.db" in err and err.count(b"\n") == 1, err
    n = verified(store)["runs"]
    assert n < 3000 and n % 256 == 0, n
    out = os.path.join(TMP, "out.jsonl")
    p = start("history", "export", "-o", out, "--store", store, preexec_fn=limit_files(100_000))
    _, err = p.communicate(timeout=60)
    assert n == 0 or (p.returncode == 1 and err.count(b"\n") == 1 and not os.path.exists(out)), err
    with open("/dev/full", "w") as full:
        assert n == 0 or run("history", "export", "--store", store, stdout=full, expect=1).err


def test_damage_is_found():
    store = os.path.join(TMP, "damaged.db")
    run("history", "import", lines("d.jsonl", [record(n) for n in range(60)]), "--store", store)
    for sql, word in (("UPDATE run SET json = replace(json, '\"box\"', '\"b0x\"') WHERE id = 7", "run 7: its content"),
                      ("DELETE FROM figure WHERE run = 8", "run 8: 0 figures"),
                      ("DELETE FROM series", "without a series")):
        with sqlite3.connect(store) as db:
            db.execute(sql)
        p = run("history", "verify", "--store", store, expect=1)
        assert word in p.text, p.text
    answer = run("history", "verify", "--json", "--store", store, expect=1)
    assert not json.loads(answer.text)["clean"]
    data = bytearray(open(store, "rb").read())
    data[4096 + 8:4096 * 3] = bytes(4096 * 2 - 8)
    assert "damaged" in one_sentence(run("history", "--store", path("torn.db", data), expect=1))


if __name__ == "__main__":
    try:
        code = harness.main(globals())
    finally:
        if CLUSTER:
            CLUSTER.close()
    sys.exit(code)
