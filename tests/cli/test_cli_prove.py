#!/usr/bin/env python3
"""doctor --prove against executables in the place of frameworks: what each of them does wrong becomes its cell, the
others go on, and no process is left. Arguments and end: harness.py."""
import csv
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time

from harness import ENV, PROGRAM, ROOT, TMP, main, one_sentence, run

FAKE = "#!" + sys.executable + r"""
import json, os, random, signal, struct, subprocess, sys, time
name = os.path.basename(sys.argv[0]).split("-")[-1]
N = int(os.environ["FAKE_VOCAB"])

def note(*pids):
    with open(os.environ["FAKE_PIDS"], "a") as f:
        f.write("".join(f"{p}\n" for p in pids))

def daemon():  # its parent is gone, its session is its own
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    open(os.environ['FAKE_PIDS'], 'a').write(f'{os.getpid()}\\n')\n    time.sleep(1000)\n"
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    while len(open(os.environ["FAKE_PIDS"]).read().split()) < 3:
        time.sleep(0.01)

def open_(q):
    if name == "illegal":
        os.kill(os.getpid(), signal.SIGILL)
    if name == "says":
        print("error: cannot load the model", file=sys.stderr)
        sys.exit(0)
    if name == "hangs":
        note(os.getpid(), subprocess.Popen(["setsid", "sleep", "1000"]).pid)
        daemon()
        time.sleep(1000)
    if name == "grows":
        held = []
        while True:
            held.append(b"x" * (64 << 20))
    if name == "refuses":
        return {"error": "unsupported", "text": "no such tensor type"}
    if name == "small":
        return {"error": "memory", "text": "cannot allocate 3 GiB"}
    return {"vocab": N, "backend": "cpu"}

def measure(q):
    if name == "faults":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "leaves":
        daemon_of = subprocess.Popen(["setsid", "sleep", "1000"])
        note(os.getpid(), daemon_of.pid)
    time.sleep(0.005)
    return {"prefill_ns": 1000000, "token_ns": [1000000]}

def logits(q):
    n = len(q["tokens"])
    if name == "babbles":
        return "what is this?"
    if name in ("wrong", "nan"):
        rows = [random.gauss(0, 3) for _ in range(n * N)]
        if name == "nan":
            rows[2 * N + 5] = float("nan")
        open(q["path"], "wb").write(struct.pack(f"<{n * N}f", *rows))
        return {"rows": n, "vocab": N}
    return {"error": "unsupported", "text": "it shows no logits"}

def next_(q):
    return {"token": 3} if name == "guesses" else {"error": "unsupported", "text": "nor tokens"}

if name == "gone":
    os.kill(os.getpid(), signal.SIGABRT)
calls = {"hello": lambda q: {"protocol": 1, "name": name, "version": "7"}, "open": open_, "measure": measure, "logits": logits, "next": next_}
for line in sys.stdin:
    q = json.loads(line)
    a = calls.get(q["call"], lambda q: {})(q)
    print(a if isinstance(a, str) else json.dumps({"id": q["id"], **a}), flush=True)
"""
NAMES = ["good", "illegal", "faults", "babbles", "wrong", "nan", "says", "refuses", "small", "gone", "leaves", "guesses"]
PIDS = os.path.join(TMP, "pids")


def n_vocab():
    with open(os.path.join(ROOT, "datasets/models/default.gguf"), "rb") as f:
        head = f.read(1 << 20)
    at = head.index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens")
    assert struct.unpack_from("<II", head, at) == (9, 8)
    return struct.unpack_from("<Q", head, at + 8)[0]


def env_with(names, **more):
    folder = os.path.join(TMP, "fakes-" + "-".join(names)[:60])
    os.makedirs(folder, exist_ok=True)
    for name in names:
        program = os.path.join(folder, "whichquant-runner-" + name)
        with open(program, "w") as f:
            f.write(FAKE)
        os.chmod(program, 0o755)
    with open(PIDS, "w"):
        pass
    return {**ENV, "PATH": folder + ":" + ENV["PATH"], "FAKE_VOCAB": str(n_vocab()), "FAKE_PIDS": PIDS, **more}


def nobody_left():
    pids = open(PIDS).read().split()
    for pid in pids:
        for _ in range(500):  # whoever adopted it has to notice
            if not os.path.exists(f"/proc/{pid}/exe") or not os.path.exists(f"/proc/{pid}"):
                break
            try:
                os.readlink(f"/proc/{pid}/exe")
            except OSError:
                break
            time.sleep(0.02)
        else:
            raise AssertionError(f"process {pid} is left")
    assert not [f for f in os.listdir(TMP) if f.startswith("whichquant-prove")], "files are left"
    return len(pids)


def prove(*args, names, expect=0, **more):
    p = run("doctor", "--prove", "--frameworks", ",".join(names), "-f", "q8_0", *args, "-q", "--json",
            env=env_with(names, TMPDIR=TMP, **more), expect=expect)
    d = json.loads(p.text)
    return {c["framework"]: c for c in d["cells"]}


def test_every_end_is_a_cell():
    cells = prove("--timeout", "60s", names=NAMES)
    assert list(cells) == sorted(cells, key=NAMES.index) or set(cells) == set(NAMES), cells
    wanted = {"good": ("ok", "neither logits nor tokens"), "guesses": ("failed", "wrong token: 3, where"), "illegal": ("crashed", "signal 4 (Illegal instruction)"),
              "faults": ("crashed", "signal 11 (Segmentation fault)"), "babbles": ("failed", "what is this?"),
              "wrong": ("failed", "wrong logits: KLD"), "nan": ("failed", "NaN or infinite logit at position 2"),
              "says": ("failed", "exit code 0; it last said: error: cannot load the model"),
              "refuses": ("unsupported", "no such tensor type"), "small": ("cannot-run", "cannot allocate 3 GiB"),
              "gone": ("crashed", "signal 6 (Aborted)"), "leaves": ("ok", "")}
    for name, (status, said) in wanted.items():
        c = cells[name]
        assert (c["status"], said in c["reason"]) == (status, True), c
        assert "\n" not in c["reason"] and len(c["reason"]) < 256
        assert c["format"] == ("" if name == "gone" else "gguf/q8_0"), c
    assert cells["wrong"]["kld"] > 0.5 and cells["good"]["kld"] is None and cells["good"]["version"] == "7"
    assert nobody_left() == 2


def test_a_hang_and_its_daemons():
    cells = prove("--timeout", "6s", names=["hangs", "good"])
    assert cells["hangs"]["status"] == "timed-out" and "6 s" in cells["hangs"]["reason"], cells
    assert cells["good"]["status"] == "ok"
    assert nobody_left() == 3


def test_too_much_memory():
    cells = prove("--memory", "1G", names=["grows", "good"])
    assert cells["grows"]["status"] == "cannot-run" and "more than 1.00 GiB" in cells["grows"]["reason"], cells
    assert cells["good"]["status"] == "ok"


def test_interrupt():
    p = subprocess.Popen([PROGRAM, "doctor", "--prove", "--framework", "hangs", "-f", "q8_0"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=env_with(["hangs"], TMPDIR=TMP), cwd=TMP)
    while len(open(PIDS).read().split()) < 3:
        time.sleep(0.05)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=60)
    assert p.returncode == 130, p.returncode
    assert nobody_left() == 3


LLAMA_BENCH = """#!/bin/sh
[ "$1" = --version ] && echo 'version: 1 (0c1e570)' && exit 0
while [ $# -gt 0 ]; do case $1 in -p) P=$2;; -n) N=$2;; esac; shift; done
row() { echo '{"build_commit": "0c1e570", "build_number": 1, "model_type": "llama 3M Q8_0", "n_prompt": '$1', "n_gen": '$2', "samples_ns": [1000]}'; }
[ $P -gt 0 ] && row $P 0
[ $N -gt 0 ] && row 0 $N
exit 0
"""
LLAMA_PERPLEXITY = """#!/bin/sh
[ "$1" = --version ] && exit 0
while [ $# -gt 0 ]; do case $1 in --kl-divergence-base) OUT=$2;; esac; shift; done
"""


def script(folder, name, text):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w") as f:
        f.write(text)
    os.chmod(os.path.join(folder, name), 0o755)


def test_llama_cpp():
    folder = os.path.join(TMP, "llama")
    for body, status, said in (("echo 'error: failed to load model'; exit 0", "failed", "failed to load model"),
                               ("kill -ILL $$", "crashed", "llama-bench died of signal 4"), ("exit 1", "failed", "exit code 1")):
        script(folder, "llama-bench", f'#!/bin/sh\n[ "$1" = --version ] && exit 0\n{body}\n')
        c = prove(names=["llama.cpp"], LLAMA_CPP_PATH=folder)["llama.cpp"]
        assert (c["status"], said in c["reason"]) == (status, True), c


def test_logits_of_llama_cpp():
    folder = os.path.join(TMP, "llama-logits")
    for name in ("q8_0", "q1_0"):  # what the own engine makes of this format, and of one that is far from it
        run("eval", "default", "-f", name, "--text", os.path.join(ROOT, "datasets/text/eval.txt"), "-c", "32", "--chunks", "1",
            "--save-logits", os.path.join(TMP, name + ".logits"), "-q")
    script(folder, "llama-bench", LLAMA_BENCH)
    c = prove(names=["llama.cpp"], LLAMA_CPP_PATH=folder)["llama.cpp"]
    assert c["status"] == "ok" and c["kld"] is None and "llama-perplexity is" in c["reason"], c
    lost = f'[ -e {TMP}/once ] && cp {TMP}/q8_0.logits $OUT; touch {TMP}/once; exit 0'
    for body, status, said in ((f"cp {TMP}/q8_0.logits $OUT", "ok", ""), (lost, "ok", ""),
                               (f"cp {TMP}/q1_0.logits $OUT", "failed", "wrong logits: KLD"),
                               ("echo 'error: no output'; exit 0", "failed", "wrote no logits; it last said: error: no output"),
                               ("kill -SEGV $$", "crashed", "llama-perplexity died of signal 11")):
        script(folder, "llama-perplexity", LLAMA_PERPLEXITY + body + "\n")
        c = prove(names=["llama.cpp"], LLAMA_CPP_PATH=folder)["llama.cpp"]
        assert (c["status"], said in c["reason"]) == (status, True), c
        assert (c["kld"] is not None and c["kld"] < 1e-3) == (status == "ok"), c
    nobody_left()


def test_own_engine():
    p = run("doctor", "--prove", "--framework", "own", "-f", "gguf/q8_0,mlx/4bit-g64", "-q", "--csv")
    rows = list(csv.DictReader(io.StringIO(p.text)))
    assert {r["format"] for r in rows} == {"gguf/q8_0", "mlx/4bit-g64"} and rows[0]["isa"] == "scalar", rows
    for r in rows:
        assert r["status"] == "ok" and abs(float(r["kld"])) < 1e-2 and r["framework"] == "own", r
    assert len({(r["format"], r["isa"], r["kernels"]) for r in rows}) == len(rows)
    narrow = json.loads(run("doctor", "--prove", "--framework", "own", "-f", "q8_0", "-q", "--json", "--isa", "scalar").text)
    assert [c["isa"] for c in narrow["cells"]] == ["scalar"]


def test_text_and_exit_codes():
    env = env_with(["illegal", "good"])
    args = ["doctor", "--prove", "--frameworks", "good,illegal,openvino", "-f", "q8_0", "--python", "/nowhere"]
    text = run(*args, env=env).text
    lines = {line.split()[1]: line for line in text.split("\n") if line.startswith("[") and "q8_0" in line}
    assert lines["good"].startswith("[PASS]") and " ok " in lines["good"], text
    assert lines["illegal"].startswith("[WARN]") and " crashed " in lines["illegal"], text
    assert "--python" in [line for line in text.split("\n") if line.startswith("[WARN] openvino ")][-1], text
    assert "1 of 3 cells" in text and ", 0 failed" in text
    run(*args, "--strict", env=env, expect=7)
    one_sentence(run("doctor", "--prove", "--framework", "nobody", expect=2))
    one_sentence(run("doctor", "--prove", "-f", "q9_k", "--framework", "own", expect=2))
    one_sentence(run("doctor", "-f", "q8_0", expect=2))


if __name__ == "__main__":
    sys.exit(main(globals()))
