#!/usr/bin/env python3
"""bench and import as a user meets them. Nothing here is timed; a script stands in for llama-bench. Arguments and end:
harness.py."""
import functools
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time

from harness import ENV, PROGRAM, ROOT, TMP, Skip, main, one_sentence, path, run

ENV["LLAMA_CPP_PATH"] = os.path.join(TMP, "none")
SHORT = ["-p", "32", "-n", "8", "-r", "1", "-q"]
STORE = os.path.join(TMP, "whichquant/store.db")


def fixture(name):
    return os.path.join(ROOT, "tests/fixtures/import", name)


def stored(sql):
    with sqlite3.connect(STORE) as db:
        return db.execute(sql).fetchall()


@functools.cache
def can_measure():
    rows = json.loads(run("bench", "default", "-f", "f16", *SHORT, "--json").text)
    return rows[0]["status"] == "ok"


def needs(is_there, otherwise):
    """Skips a test where something is not there, which is asked when the test is run."""
    def of(test):
        @functools.wraps(test)
        def run_it():
            if not is_there():
                raise Skip(otherwise)
            test()
        return run_it
    return of


needs_kernels = needs(can_measure, "no packed kernels here")  # another architecture under emulation


def test_wrong_requests():
    for args in (["bench"], ["bench", "default", "--shape", "qwen3-0.6b"], ["bench", "--shape", "qwen3-06b"],
                 ["bench", "default", "-f", "q9_k"], ["bench", "default", "--framework", "llama.dll"],
                 ["bench", "default", "-p", "0", "-n", "0"], ["bench", "default", "-n", "5000"],
                 ["bench", "default", "--sustain", "long"], ["import"], ["import", "a", "b"]):
        one_sentence(run(*args, expect=2))
    assert "did you mean qwen3-0.6b" in one_sentence(run("bench", "--shape", "qwen3-06b", expect=2))
    one_sentence(run("bench", "absent.gguf", expect=1))


@needs_kernels
def test_bench_json():
    rows = json.loads(run("bench", "default", "-f", "q8_0,q4_0", "-p", "48", "-n", "12", "-d", "16", "-r", "2", "-q", "-t", "1",
                          "--json").text)
    assert [(r["n_prompt"], r["n_gen"]) for r in rows] == [(48, 0), (0, 12)] * 2
    assert [r["format"] for r in rows] == ["gguf/q8_0"] * 2 + ["gguf/q4_0"] * 2
    for r in rows:
        assert r["n_depth"] == 16 and r["n_threads"] == 1 and r["framework"] == "own", r
        assert len(r["samples_ts"]) == len(r["samples_ns"]) == 2
        assert abs(r["avg_ts"] - sum(r["samples_ts"]) / 2) < 1e-6 * r["avg_ts"]
        assert r["ttft_ms"] > 0 and r["tpot_p95_ms"] >= r["tpot_p50_ms"] > 0 and r["peak_rss_bytes"] > 1 << 20
        assert r["bandwidth_share"] > 0 and "matvec" in r["kernel"] and r["low_confidence"] is True
    assert rows[0]["weights_bytes"] > rows[2]["weights_bytes"] and rows[0]["kv_bytes"] == rows[2]["kv_bytes"]
    assert stored("SELECT count(*) FROM run WHERE format = 'gguf/q4_0' AND framework = 'own'")[0][0] >= 1
    one = json.loads(run("bench", "default", "-f", "q8_0", "-p", "0", "-n", "4", "-r", "1", "-q", "--json").text)
    assert len(one) == 1 and one[0]["n_gen"] == 4 and one[0]["ttft_ms"] is None
    assert 1 <= one[0]["n_threads"] <= os.cpu_count()  # as many as were fastest


@needs_kernels
def test_kernel_bench():
    rows = json.loads(run("kernels", "--bench", "--kernel", "_q4_0_", "--json").text)
    decode = [r for r in rows if r["operation"] == "matvec" and r["status"] == "passed"]
    assert decode and all(r["bandwidth_gb_s"] > 0.05 and 0.001 < r["bandwidth_share"] < 50 for r in decode), decode
    assert all(abs(r["bandwidth_share"] - r["gb_s"] / r["bandwidth_gb_s"]) < 1e-9 for r in decode)
    others = [r for r in rows if r["operation"] != "matvec"]
    assert others and all(r["bandwidth_share"] is None for r in others)


@needs_kernels
def test_bench_table():
    text = run("bench", "default", *SHORT).text
    assert "pp32 tok/s" in text and "tg8 tok/s" in text and "base/f16" in text, text
    text = run("bench", "--shape", "smollm2-135m", "-f", "q4_0", *SHORT).text
    assert "synthesized" in text and "gguf/q4_0" in text, text
    for model in (["default"], ["--shape", "smollm2-135m"]):  # scales that a text settles do not matter for speed
        text = run("bench", *model, "-f", "q4_0", "--kv", "onnx-int8,onnx-int4-channel", *SHORT).text
        assert "KV onnx-int8" in text and "KV onnx-int4-channel" in text and "unsupported" not in text, text
    no_speed = run("bench", "default", "-f", "q8_0", "--isa", "scalar", *SHORT, expect=1).text
    assert "unsupported: reference only" in no_speed, no_speed


@needs_kernels
def test_sustain():
    text = run("bench", "default", "-f", "q8_0", "--sustain", "2s", "-q").text
    assert "burst" in text and "sustained" in text, text
    out = json.loads(run("bench", "default", "-f", "q8_0", "--sustain", "2s", "-q", "--json").text)
    assert out[0]["points"] and out[0]["burst_tok_s"] > 0 and out[0]["throttle_after_s"] is None


@needs_kernels
def test_llama_bench_beside_it():
    folder = os.path.join(TMP, "llama")
    os.mkdir(folder)
    program = os.path.join(folder, "llama-bench")
    with open(program, "w") as f:
        f.write("""#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -p) P=$2;; -n) N=$2;; -m) M=$2;; esac; shift; done
head -c 4 "$M" | grep -q GGUF || exit 1
row() { echo '{"build_commit":"abc1234","build_number":7,"model_type":"llama 3M F16","n_prompt":'$1',"n_gen":'$2',"samples_ns":['$3']}'; }
[ $P -gt 0 ] && row $P 0 ${P}000000
[ $N -gt 0 ] && row 0 $N ${N}0000000
exit 0
""")
    os.chmod(program, 0o755)
    temporary = os.path.join(folder, "temporary")
    os.mkdir(temporary)
    env = {**ENV, "LLAMA_CPP_PATH": folder, "TMPDIR": temporary}
    rows = json.loads(run("bench", "default", "-f", "q8_0", "--framework", "llama.cpp", *SHORT, "--json", env=env).text)
    assert [r["framework"] for r in rows] == ["llama.cpp"] * 2 and rows[0]["build_commit"] == "abc1234", rows
    assert rows[0]["avg_ts"] == 1000 and rows[1]["avg_ts"] == 100
    assert rows[0]["format"] == "gguf/q8_0"
    assert not os.listdir(temporary)
    both = json.loads(run("bench", "default", "-f", "q8_0", "--framework", "own,llama.cpp", *SHORT, "--json", env=env).text)
    assert [r["framework"] for r in both] == ["own"] * 2 + ["llama.cpp"] * 2
    text = run("bench", "default", "-f", "q8_0", "--framework", "llama.cpp", *SHORT, expect=1).text
    assert "cannot-run" in text and "LLAMA_CPP_PATH" in text, text


@needs_kernels
def test_sweep_in_the_frameworks_asked_for():
    short = ("default", "-f", "q8_0", "--chunks", "1", "--budget", "12s", "--prompt", "16", "--gen", "4", "--json", "-q")
    missing = one_sentence(run(*short, "--framework", "llama.cpp", expect=1))
    assert "--framework llama.cpp" in missing and "LLAMA_CPP_PATH" in missing, missing
    unknown = one_sentence(run(*short, "--framework", "own,llama", expect=2))
    assert "unknown framework llama" in unknown, unknown
    assert json.loads(run(*short, "--framework", "own").text)["rows"]


@needs_kernels
def test_interrupt_keeps_results():
    p = subprocess.Popen([PROGRAM, "bench", "default", "-f", "q8_0", "-p", "512", "-n", "128", "--json"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV, cwd=TMP)
    for line in p.stderr:
        if b"repetition 2" in line:
            break
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=120)
    rows = json.loads(out)
    assert p.returncode == 130 and len(rows) == 2 and rows[0]["status"] == "ok" and len(rows[0]["samples_ts"]) >= 2, rows


SERVER = os.path.join(ROOT, "tests/unit/fake_server.py")


@functools.cache
def can_serve():
    return "endpoint" in [r["name"] for r in json.loads(run("list", "frameworks", "--json").text)]


needs_curl = needs(can_serve, "built without libcurl")


@needs_curl
def test_endpoints():
    with subprocess.Popen([sys.executable, SERVER], stdout=subprocess.PIPE) as server:
        url = "http://127.0.0.1:" + server.stdout.readline().split()[1].decode()
        short = ("bench", "--endpoint", url, "-p", "16", "-n", "8", "-r", "2", "-q", "--silence", "5s")
        rows = json.loads(run(*short, "--served-model", "good", "--concurrency", "1,4", "--json").text)
        assert [(r["n_prompt"], r["n_gen"], r["n_streams"]) for r in rows] == [(16, 0, 1), (0, 8, 1), (16, 0, 4), (0, 8, 4)]
        assert all(r["framework"] == "llama.cpp" and r["status"] == "ok" and r["model_filename"] == "good" for r in rows)
        assert all(abs(r["avg_ts"] / (r["n_streams"] * (r["n_prompt"] + r["n_gen"]) * 1e9 / r["avg_ns"]) - 1) < 0.3 for r in rows)
        assert rows[2]["ttft_p99_ms"] >= rows[2]["ttft_p95_ms"] > 0 and rows[1]["avg_ts"] < 500
        text = run(*short, "--served-model", "good", "--concurrency", "2").text
        assert "as served, 2 at once" in text and "TTFT p50" in text and "good at http" in text, text
        rows = json.loads(run(*short, "--framework", "ollama", "--served-model", "any", "--json").text)
        assert rows[1]["framework"] == "ollama" and abs(rows[1]["avg_ts"] - 1000) < 1e-6, rows
        text = run(*short, "--served-model", "no-model", expect=1).text
        assert "cannot-run" in text and "model 'no-model' not found" in text, text
        secret = {**ENV, "WHICHQUANT_API_KEY": "sk-0123456789abcdef"}
        text = run(*short, "--endpoint", url + "/locked", "--served-model", "good", expect=1, env=secret).text
        assert "answered 401" in text and "0123456789" not in text, text
        assert not stored("SELECT 1 FROM run WHERE json LIKE '%0123456789abcdef%'")
        assert stored("SELECT count(*) FROM run WHERE json LIKE '%\"streams\":4%'")[0][0] == 1
        for more in (["default"], ["-f", "q8_0"], ["--concurrency", "0"], ["--concurrency", "1,x"], ["--framework", "own"]):
            one_sentence(run(*short, *more, expect=2))
        server.terminate()
    text = run(*short, "--served-model", "good", expect=1).text
    assert "cannot connect" in text, text


@needs_curl
def test_llama_server():
    folder = os.path.join(TMP, "server")
    os.mkdir(folder)
    program, mark = os.path.join(folder, "llama-server"), os.path.join(folder, "mark")
    with open(program, "w") as f:
        f.write(f'#!/bin/sh\nexec {sys.executable} {SERVER} "$@"\n')
    os.chmod(program, 0o755)
    env = {**ENV, "LLAMA_CPP_PATH": folder, "FAKE_MARK": mark, "FAKE_SERVER": "good"}
    model = path("served.gguf", b"")
    run("quantize", "default", "-f", "q8_0", "-o", model)
    rows = json.loads(run("bench", model, "--framework", "llama-server", *SHORT, "--concurrency", "1,3", "--json", env=env).text)
    assert [(r["framework"], r["format"], r["n_streams"]) for r in rows] == [("llama-server", "gguf/q8_0", n) for n in (1, 1, 3, 3)]
    assert rows[0]["build_commit"] == "0c1e57098" and rows[0]["peak_rss_bytes"] > 1 << 20, rows[0]
    p = subprocess.Popen([PROGRAM, "bench", model, "--framework", "llama-server", "-n", "512"], env={**env, "FAKE_SERVER": "slow"},
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=TMP)
    while len(open(mark).readlines()) < 3:
        time.sleep(0.05)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=60)
    assert p.returncode == 130
    for line in open(mark):
        assert not os.path.exists("/proc/" + line.split()[0]), "a server was left behind"
    text = run("bench", model, "--framework", "llama-server", *SHORT, expect=1).text
    assert "cannot-run" in text and "llama-server is neither on PATH nor in LLAMA_CPP_PATH" in text, text


def test_device_axis():
    folder = os.path.join(TMP, "gpu")
    os.mkdir(folder)
    program = os.path.join(folder, "llama-bench")
    with open(program, "w") as f:
        f.write("""#!/bin/sh
[ $1 = --version ] && { echo 'version: 6710 (0c1e57098)'; exit 0; }
[ $1 = --list-devices ] && { echo 'Available devices:'; echo '  CUDA0: a GPU (24000 MiB, 23000 MiB free)'; exit 0; }
L=-1; while [ $# -gt 0 ]; do case $1 in -p) P=$2;; -n) N=$2;; -ngl) L=$2;; esac; shift; done
row() { echo '{"build_commit": "0c1e57098", "build_number": 6710, "backends": "CUDA", "model_type": "llama 1B Q8_0", "n_threads": 2,' \
 '"type_k": "f16", "n_gpu_layers": '$L', "n_prompt": '$1', "n_gen": '$2', "avg_ns": 1000000, "samples_ns": [1000000]}'; }
[ $P -gt 0 ] && row $P 0
[ $N -gt 0 ] && row 0 $N
exit 0
""")
    os.chmod(program, 0o755)
    env = {**ENV, "LLAMA_CPP_PATH": folder, "BITNET_CPP_PATH": folder}
    rows = json.loads(run("bench", "default", "-f", "q8_0", "--framework", "llama.cpp", "--backend", "cuda", "--gpu-layers", "0,2,all",
                          *SHORT, "--json", env=env).text)
    layers = [r["n_gpu_layers"] for r in rows]
    assert layers[:4] == [0, 0, 2, 2] and layers[4] == layers[5] > 2, layers  # all: the model's own number
    assert [r["backends"] for r in rows] == ["CPU"] * 2 + ["CUDA"] * 4, rows
    assert len(set(r[0] for r in stored("SELECT cell_id FROM run WHERE framework = 'llama.cpp' AND format = 'gguf/q8_0'"))) >= 3
    text = run("bench", "default", "-f", "q8_0", "--framework", "llama.cpp", "--gpu-layers", "2", *SHORT, env=env).text
    assert "gguf/q8_0, 2 layers on cuda" in text, text
    text = run("bench", "default", "-f", "q8_0", "--framework", "llama.cpp,own", "--backend", "metal", *SHORT, expect=1, env=env).text
    assert "unsupported: llama.cpp here drives no device metal: it lists CUDA0" in text, text
    assert "unsupported: the own engine computes on the CPU alone" in text, text
    for wrong in ("some", "-1", "1000", "1,2,3,4,5,6,7,8,9"):
        one_sentence(run("bench", "default", "--framework", "llama.cpp", "--gpu-layers", wrong, expect=2, env=env))
    one_sentence(run("bench", "--endpoint", "http://127.0.0.1:1", "--backend", "gpu", expect=2))
    model = path("ternary.gguf", b"GGUF that nobody else reads")
    rows = json.loads(run("bench", model, "--framework", "bitnet.cpp", *SHORT, "--json", env=env).text)
    assert [r["framework"] for r in rows] == ["bitnet.cpp"] * 2 and rows[0]["model_filename"] == "ternary.gguf", rows
    one_sentence(run("bench", model, "--framework", "llama.cpp", *SHORT, expect=1, env=env))


WORKER = "#!" + sys.executable + """
import json, os, subprocess, sys, time
answers = {"hello": {"protocol": 1, "name": "tried", "version": "7"}, "open": {"vocab": 100, "backend": "cpu"}, "memory": {}, "close": {},
           "logits": {"error": "unsupported", "text": "it keeps them to itself"}}
for line in sys.stdin:
    q = json.loads(line)
    a = answers.get(q["call"])
    if q["call"] == "measure":
        if os.environ.get("WORKER_HANGS"):
            p = subprocess.Popen(["sleep", "1000"])
            open(os.environ["WORKER_HANGS"], "w").write(f"{os.getpid()} {p.pid}")
            time.sleep(1000)
        print("cpus", len(os.sched_getaffinity(0)), file=sys.stderr, flush=True)
        time.sleep(0.001 * (q["n_prompt"] + q["n_gen"]))
        a = {"prefill_ns": 500000 * q["n_prompt"] or None, "token_ns": [1000000 * len(os.sched_getaffinity(0)) / os.cpu_count()] * q["n_gen"]}
    print(json.dumps({"id": q["id"], **a}), flush=True)
"""


def worker_env(**more):
    folder = os.path.join(TMP, "workers")
    os.makedirs(folder, exist_ok=True)
    program = os.path.join(folder, "whichquant-runner-tried")
    with open(program, "w") as f:
        f.write(WORKER)
    os.chmod(program, 0o755)
    return {**ENV, "PATH": folder + ":" + ENV["PATH"], **more}


PRODUCER = """#!{python}
import json, os, shutil, struct, sys
way = os.environ.get("FAKE_PRODUCER", "")
for line in sys.stdin:
    q = json.loads(line)
    a = {{"hello": {{"protocol": 1, "name": "fake", "version": "7"}}, "open": {{"vocab": 5}}}}.get(q["call"], {{}})
    if way == "missing" and q["call"] == "hello":
        a = {{"error": "missing", "text": "not found: pip install nncf into /some/python"}}
    if q["call"] == "produce":
        assert os.path.exists(q["plain"] + "/openvino_model.xml") and os.path.exists(q["ours"] + "/openvino_model.bin")
        shutil.copy(q["ours"] + "/openvino_model.xml", q["out"])
        a = {{"matrices": 2, "unpaired": 1, "weights": 100, "differ": 3, "largest": 0.5, "relative": 0.125, "worst": q["format"]["name"]}}
        if way == "dies":
            os.abort()
        if way == "rubbish":
            a = {{}}
        if way == "refuses":
            a = {{"error": "unsupported", "text": "no such format in this version"}}
    if q["call"] == "open":
        shift = "plain" not in q["artifact"]
    if q["call"] == "logits":
        a = {{"rows": len(q["tokens"]), "vocab": 5}}
        with open(q["path"], "wb") as f:
            f.write(struct.pack("<5f", 0, 0, 0, 0, shift) * len(q["tokens"]))
    print(json.dumps({{"id": q["id"], **a}}), flush=True)
"""


def test_producers():
    python = os.path.join(TMP, "producing")
    with open(python, "w") as f:
        f.write(PRODUCER.format(python=sys.executable))
    os.chmod(python, 0o755)
    args = ("quantize", "default", "-f", "openvino/int4-sym-g128", "--python", python, "--producer")
    out = os.path.join(TMP, "produced")
    row = json.loads(run(*args, "nncf", "-o", out, "--json").text)
    assert row["matrices"] == 2 and row["differ"] == 3 and row["relative"] == 0.125 and row["worst"] == "openvino/int4-sym-g128", row
    # five equal logits against one that is 1 higher: ln((4 + e) / 5) - 1/5
    assert row["kld_ours"] == row["kld_its"] and abs(row["kld_its"] - (math.log((4 + math.e) / 5) - 0.2)) < 1e-6, row
    assert row["kld_between"] == 0 and row["tokens"] == 256 and os.listdir(out) == ["openvino_model.xml"]
    text = run(*args, "nncf", "-o", out + "2").text
    assert "nncf 7 made" in text and "3 differ, by 0.5 at most" in text and "1 matrices are in one of the two alone" in text, text
    one_sentence(run(*args, "nncf", "-o", out, expect=2))  # something is there already
    for way, said in (("dies", "signal 6"), ("rubbish", "does not say which matrices"), ("refuses", "no such format"), ("missing", "pip install nncf")):
        gone = os.path.join(TMP, "produced-" + way)
        assert said in one_sentence(run(*args, "nncf", "-o", gone, expect=1, env={**ENV, "FAKE_PRODUCER": way})), way
        assert not os.path.exists(gone)
    assert "olive, " not in one_sentence(run(*args, "olive", "-o", out + "3", expect=1))  # makes onnx
    assert "there are nncf, olive" in one_sentence(run(*args, "ollive", "-o", out + "3", expect=2))


def test_worker_on_path():
    env = worker_env()
    rows = {f["name"]: f for f in json.loads(run("list", "frameworks", "--json", env=env).text)}
    assert rows["tried"]["found"] and rows["tried"]["version"] == "7", rows["tried"]
    assert "[PASS] tried" in run("doctor", env=env).text
    rows = json.loads(run("bench", "default", "-f", "q8_0", "--framework", "tried", *SHORT, "--json", env=env).text)
    assert [r["framework"] for r in rows] == ["tried"] * 2 and rows[0]["avg_ts"] == 2000, rows
    # the worker tells half the time where it sees half the CPUs: it has those that the program was started with
    assert abs(rows[1]["avg_ts"] - 1000 * os.cpu_count() / len(os.sched_getaffinity(0))) < 1e-6 * rows[1]["avg_ts"], rows
    missing = {r["name"]: r for r in json.loads(run("list", "frameworks", "--json", "--python", "/nowhere").text)}
    assert not missing["openvino"]["found"] and "--python" in missing["openvino"]["note"], missing["openvino"]
    assert "tried" not in missing


@needs_kernels
def test_sweep_runs_what_is_on_path():
    out = os.path.join(TMP, "sweep-with-tried")
    temporary = os.path.join(TMP, "sweep-temporary")
    os.mkdir(temporary)
    short = ("default", "-f", "q8_0,onnx/int4-g32-sym", "--chunks", "1", "--budget", "60s", "--prompt", "16", "--gen", "4", "-q", "--json")
    env = worker_env(TMPDIR=temporary)
    run(*short, "--framework", "tried", "-o", out, env=env)
    records = [json.loads(line) for line in open(os.path.join(out, "records.jsonl"))]
    tried = {r["format"]["name"]: r for r in records if r["framework"]["name"] == "tried"}
    assert set(tried) == {"gguf/q8_0", "onnx/int4-g32-sym"}, tried
    for r in tried.values():
        assert r["status"] == "ok" and r["speed"]["from"] == "measured" and r["framework"]["version"] == "7", r
        assert abs(r["speed"]["prefill_tok_s"]["v"] - 2000) < 1e-6 and "whichquant-runner-tried" in r["command"], r
        assert "keeps them to itself" in r["reason"], r["reason"]
    assert not os.listdir(temporary)
    kept = stored("SELECT framework, format, class FROM factor ORDER BY format")
    assert [k[:2] for k in kept] == [("tried", "gguf/q8_0"), ("tried", "onnx/int4-g32-sym")] and kept[0][2], kept
    decided = run("decide", "default", "--csv", env=env)
    assert ",tried," in decided.text and "of tried are left out" not in decided.err, decided.err
    os.remove(os.path.join(TMP, "workers", "whichquant-runner-tried"))
    decided = run("decide", "default", "--csv", env=env)
    assert "tried" not in decided.text and "measurements of tried are left out: it is not here now" in decided.err, decided.err
    gone = one_sentence(run(*short, "--framework", "tried", expect=2))
    assert "unknown framework tried" in gone, gone
    rows = json.loads(run(*short).text)["rows"]
    assert rows and all(r["framework"] != "tried" for r in rows)


def test_what_only_a_framework_reads():
    folder = os.path.join(TMP, "ir")
    os.mkdir(folder)
    path("ir/openvino_model.xml", b"<net/>")
    path("ir/openvino_model.bin", bytes(1000))
    rows = json.loads(run("bench", folder, "--framework", "tried", *SHORT, "--json", env=worker_env()).text)
    assert [(r["framework"], r["format"], r["model_filename"]) for r in rows] == [("tried", "as given", "ir")] * 2, rows
    assert "ir\n" in run("bench", folder, "--framework", "tried", *SHORT, env=worker_env()).text
    assert "openvino form" in one_sentence(run("bench", folder, *SHORT, "--python", "/nowhere", expect=1))
    one_sentence(run("bench", folder, "-f", "q8_0", "--framework", "tried", *SHORT, env=worker_env(), expect=2))
    for order in ("openvino,tried", "tried,openvino"):
        text = run("bench", "default", "-f", "q8_0", "--framework", order, *SHORT, env=worker_env()).text
        assert "unsupported: gguf/q8_0 is not written in a form that openvino loads" in text and "tried" in text, text


def test_interrupt_leaves_no_worker():
    pids = os.path.join(TMP, "pids")
    p = subprocess.Popen([PROGRAM, "bench", "default", "-f", "q8_0", "--framework", "tried", *SHORT], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=worker_env(WORKER_HANGS=pids), cwd=TMP)
    for _ in range(1000):
        if os.path.exists(pids) and len(open(pids).read().split()) == 2:
            break
        time.sleep(0.02)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=60)
    assert p.returncode == 130, p.returncode
    for pid in open(pids).read().split():
        for _ in range(500):
            if not os.path.exists(f"/proc/{pid}/exe"):
                break
            time.sleep(0.02)
        assert not os.path.exists(f"/proc/{pid}/exe"), f"process {pid} is left"


@needs_kernels
def test_interrupted_sweep_leaves_nothing():
    pids, temporary = os.path.join(TMP, "pids-of-sweep"), os.path.join(TMP, "interrupted-temporary")
    os.mkdir(temporary)
    p = subprocess.Popen([PROGRAM, "default", "-f", "q8_0", "--chunks", "1", "--budget", "40s", "--prompt", "16", "--gen", "4",
                          "--framework", "tried", "--json", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=worker_env(WORKER_HANGS=pids, TMPDIR=temporary), cwd=TMP)
    for _ in range(3000):
        if os.path.exists(pids) and len(open(pids).read().split()) == 2:
            break
        time.sleep(0.02)
    assert os.listdir(temporary)
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 130 and json.loads(out)["rows"], (p.returncode, out)
    assert not os.listdir(temporary)
    for pid in open(pids).read().split():
        for _ in range(500):
            if not os.path.exists(f"/proc/{pid}/exe"):
                break
            time.sleep(0.02)
        assert not os.path.exists(f"/proc/{pid}/exe"), f"process {pid} is left"


def test_import():
    assert "4 records" in run("import", fixture("llama-bench.jsonl"), "--device", "pi-5").text
    assert "4 records" in run("import", fixture("llama-bench.jsonl"), "--device", "pi-5").text
    assert stored("SELECT count(*) FROM run WHERE json LIKE '%\"device\":\"pi-5\"%'") == [(4,)], "the same file twice is one"
    rows = json.loads(run("import", fixture("llama-bench-2025-04.csv"), "--json").text)
    assert rows[0]["format"]["name"] == "gguf/q4_k_m" and rows[0]["framework"]["backend"] == "cuda"
    lines = os.path.join(TMP, "records.jsonl")
    run("import", fixture("llama-perplexity-kld.txt"), "-o", lines)
    record = json.loads(open(lines).read())
    assert record["quality"]["kld"] == 0.000777 and record["schema"] == 1
    run("import", fixture("llama-perplexity-kld.txt"), "-o", lines, "--date", "2026-01-02")
    assert json.loads(open(lines).read())["date"] == "2026-01-02T00:00:00Z"
    again = json.loads(run("import", lines, "--json").text)
    assert again[0]["quality"] == record["quality"]
    p = run("import", fixture("llama-bench-pg.jsonl"))
    assert "pp32+tg8" in one_sentence(p) and "cannot be used" in p.text
    one_sentence(run("import", os.path.join(ROOT, "LICENSE"), expect=1))
    one_sentence(run("import", PROGRAM, expect=1))
    one_sentence(run("import", TMP, expect=1))
    foreign = os.path.join(TMP, "foreign.db")
    with open(foreign, "w") as f:
        f.write("a letter, not a database\n" * 100)
    one_sentence(run("import", fixture("llama-bench.csv"), "--store", foreign, expect=1))


if __name__ == "__main__":
    sys.exit(main(globals()))
