#!/usr/bin/env python3
"""Nights: figures of other programs imported, one night after another measured, judged and written, whatever goes wrong
in between. Arguments and end: harness.py."""
import json
import os
import sqlite3
import sys

from harness import PROGRAM, TMP, main, one_sentence, path, run


def query(store, sql):
    with sqlite3.connect(store) as db:
        return db.execute(sql).fetchall()


# ---- figures of other programs ----

FOREIGN = b"""\xef\xbb\xbfMetric,Value,Unit,Better,Date,Commit
"tokens, per second",100.5,tok/s,higher,2026-11-20,abc
"tokens, per second",101.5,tok/s,higher,2026-11-20,abc
ttft,0.25,s,lower,2026-11-20,abc
"tokens, per second",99,tok/s,1,2026-11-21T03:00:00+01:00,abd\r
ttft,0.5,s,-1,1795226400,abd
"""


def test_foreign_figures():
    store, file = os.path.join(TMP, "foreign.db"), path("vllm.csv", FOREIGN)
    assert run("import", file, "--store", store).text.startswith("vllm: 4 figures in 2 runs, into ")
    runs = json.loads(run("import", file, "--store", store, "--json").text)     # again: nothing is doubled
    assert [(r["source"], r["date"], r["commit"]) for r in runs] == [
        ("vllm", "2026-11-20T00:00:00Z", "abc"), ("vllm", "2026-11-21T02:00:00Z", "abd")]
    assert runs[0]["metrics"][0] == {"metric": "tokens, per second", "unit": "tok/s", "better": 1, "values": [100.5, 101.5]}
    points = query(store, "SELECT s.metric, s.unit, s.better, p.time, p.value, p.n FROM series s JOIN series_point p"
                          " ON p.series = s.id ORDER BY s.metric, p.time")
    assert points == [("tokens, per second", "tok/s", 1, 1795132800, 101.0, 2), ("tokens, per second", "tok/s", 1, 1795226400, 99.0, 1),
                      ("ttft", "s", -1, 1795132800, 0.25, 1), ("ttft", "s", -1, 1795226400, 0.5, 1)], points
    here = json.loads(run("probe", "--json").text)
    assert query(store, "SELECT DISTINCT env_sha256 FROM series") == [(here["env_sha256"],)]


def test_foreign_sources_and_devices_are_series_of_their_own():
    store, file = os.path.join(TMP, "sources.db"), path("one.csv", b"better,metric,value\nlower,load_s,1.5\n")
    for more in ([], ["--source", "sglang"], ["--device", "pi5"], ["--date", "2026-01-02"]):
        run("import", file, "--store", store, *more)
    assert query(store, "SELECT count(*) FROM series") == [(3,)]
    assert query(store, "SELECT count(*) FROM series_point WHERE time = 1767312000") == [(1,)]


def test_mixed_files_go_where_they_belong():
    store = os.path.join(TMP, "mixed.db")
    file = path("mixed.csv", b"metric,value,better\nmodel,m,\nformat,gguf/q8_0,\ndecode_tok_s,41.5,higher\nqueue_ms,7,lower\n")
    text = run("import", file, "--store", store, "--date", "2026-11-01").text
    assert "1 figure in 1 run" in text and "1 record" in text, text
    (record,) = [json.loads(j) for (j,) in query(store, "SELECT json FROM run WHERE kind = 'cell'")]
    assert record["speed"]["decode_tok_s"]["v"] == 41.5 and record["reason"] == "" and record["date"] == "2026-11-01T00:00:00Z"
    assert query(store, "SELECT metric FROM series ORDER BY metric") == [("decode_tok_s",), ("queue_ms",)]
    run("import", file, "--store", os.path.join(TMP, "all.db"), "--source", "x", expect=1)   # model is no number
    file = path("theirs.csv", b"metric,value,better\ndecode_tok_s,41.5,higher\n")
    run("import", file, "--store", store, "--source", "theirs")
    assert query(store, "SELECT kind FROM series WHERE metric = 'decode_tok_s' ORDER BY kind") == [("cell",), ("foreign",)]


def test_foreign_nonsense_is_refused_whole():
    head = b"metric,value,unit,better,date\n"
    good = b"a,1,s,lower,2026-01-01\n"
    bad = [
        (head + good + b"b,nan,s,lower,\n", "line 3, column value: \"nan\""),
        (head + good + b"b,,s,lower,\n", "line 3, column value: \"\""),
        (head + good + b"b,12 ms,s,lower,\n", "line 3, column value: \"12 ms\""),
        (head + good + b"b,inf,s,lower,\n", "line 3, column value: \"inf\""),
        (head + good + b"b,1,s,faster,\n", "line 3, column better: \"faster\""),
        (head + good + b"b,1,s,,\n", "line 3, column better"),
        (head + good + b",1,s,lower,\n", "line 3, column metric"),
        (head + good + b"b,1,s,lower,yesterday\n", "line 3, column date: \"yesterday\""),
        (head + b"\"a\nb\",1,s,lower,\n", "line 2, column metric"),
        (head + good + b"\n\nb,1,s,lower\n", "line 5 has 4 cells where the header has 5"),
        (head + good + b"a,1,ms,lower,2026-01-01\n", "line 3, column unit"),
        (head + good + b"a,1,s,higher,2026-01-01\n", "line 3, column better: \"higher\" contradicts"),
        (head + b"%s,1,s,lower,\n" % (b"x" * 64), "line 2, column metric"),
        (head + good * 257, "line 258: more than 256 values of a"),
        (head, "no rows"),
        (b"metric,value,metric,better\n", "metric twice"),
    ]
    store = os.path.join(TMP, "bad.db")
    run("import", path("good.csv", head + good), "--store", store)
    for text, words in bad:
        p = run("import", path("bad.csv", text), "--store", store, "--source", "x", expect=1)
        assert words in one_sentence(p), p.err
    assert query(store, "SELECT count(*) FROM run") == [(1,)]
    p = run("import", path("bad.csv", b"metric,value\na,1\n"), "--store", store, "--source", "x", expect=1)
    assert "line 1 has no column better" in one_sentence(p)
    p = run("import", path("good.csv", head + good), "--store", store, "--date", "soon", expect=2)
    assert "--date soon" in one_sentence(p)
    assert run("import", path("good.csv", head + good), "--store", store, "-o", os.path.join(TMP, "x"), expect=2)


# ---- what nights need of a sweep ----

SHORT = ["-f", "q8_0,q4_0", "--frameworks", "own", "--prompt", "8", "--gen", "4", "--chunks", "2", "-t", "1", "-q"]


def test_speeds_are_found_again():
    store = os.path.join(TMP, "again.db")
    speed = ["sweep", "default", *SHORT, "--no-quality", "--keep-workload", "--budget", "2s", "--store", store]
    run(*speed)
    first = query(store, "SELECT id, model, format FROM run ORDER BY id")
    assert len(first) >= 2 and all(m != "whichquant default" for _, m, _ in first), first   # shapes stand in
    assert query(store, "SELECT count(*) FROM figure WHERE metric = 'kld'") == [(0,)]
    run(*speed, "--resume")
    assert query(store, "SELECT id, model, format FROM run ORDER BY id") == first
    run(*speed)
    assert len(query(store, "SELECT id FROM run")) > len(first)


def test_the_slow_kernel_is_for_test_builds_only():
    with open(PROGRAM, "rb") as f:
        assert b"WHICHQUANT_TEST_SLOW" not in f.read()


if __name__ == "__main__":
    sys.exit(main(globals()))
