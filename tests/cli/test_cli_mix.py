#!/usr/bin/env python3
"""`quantize --target-size | --target-bpw | --max-kld`: files within their limits that open again, whose divergence is
as reported, and the sentences for what cannot be. See harness.py for the arguments."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ENV, PROGRAM, ROOT, TMP, main, one_sentence, path, run

FEW = ("-f", "q4_k,q6_k", "--chunks", "3", "-q")  # little to measure
MEASURED = os.path.join(TMP, "measured.json")


def mix(name, *args, expect=0):
    out = os.path.join(TMP, name)
    p = run("quantize", "default", *args, *FEW, "--measurements", MEASURED, "-o", out, "--json", expect=expect)
    return out, json.loads(p.text)


def test_size_is_kept_and_divergence_is_as_reported():
    limit = 2_300_000
    out, said = mix("size.gguf", "--target-size", str(limit))
    size = os.path.getsize(out)
    assert size <= limit and size == said["file_bytes"], (size, said["file_bytes"])
    assert limit - size < 30_000, "a whole step of a tensor was left over"
    codecs = {t["codec"] for t in said["tensors"]}
    assert codecs == {"q4_k", "q6_k"}, codecs
    plan = json.loads(run("quantize", out, "-f", "q8_0", "--dry-run", "--json").text)  # it opens again
    assert len(plan["tensors"]) == len(said["tensors"]) + 7
    # the same divergence from the program's own evaluation of the file, on the whole text: chunk for chunk
    text = os.path.join(ROOT, "datasets", "text", "eval.txt")
    every = json.loads(run("eval", out, "--base", "default", "--text", text, "--json", "-q").text)["by_chunk"]
    first = len(every) // 2
    again = sum(c["kld"] for c in every[first:first + 3]) / 3
    assert abs(again - said["kld"]) < 1e-4 * said["kld"] + 1e-9, (again, said["kld"])
    assert said["kld_lo"] <= said["kld"] <= said["kld_hi"]
    assert 0.5 < said["predicted_kld"] / said["kld"] < 2


def test_better_than_the_named_mixture_of_its_size():
    named = os.path.join(TMP, "named.gguf")
    run("quantize", "default", "-f", "q4_k_m", "-o", named, "-q")
    out, _ = mix("better.gguf", "--target-size", str(os.path.getsize(named)))
    text = os.path.join(ROOT, "datasets", "text", "eval.txt")
    kld = [json.loads(run("eval", f, "--base", "default", "--text", text, "--chunks", "8", "--json", "-q").text)["kld"]
           for f in (out, named)]
    assert kld[0] < kld[1], kld


def test_bits_per_weight_and_the_same_file_twice():
    out, said = mix("bpw.gguf", "--target-bpw", "5")
    assert said["effective_bpw"] <= 5 < said["effective_bpw"] + 0.1
    twice = os.path.join(TMP, "twice.gguf")
    run("quantize", "default", "--target-bpw", "5", *FEW, "-t", "1", "-o", twice)  # measured anew
    with open(out, "rb") as a, open(twice, "rb") as b:
        a, b = a.read(), b.read()
    at = a.index(b"whichquant.mix.predicted_kld")
    assert len(a) == len(b) and a[at + 400:] == b[at + 400:]  # but for the last digits of what was measured


def test_divergence_limit():
    out, said = mix("kld.gguf", "--max-kld", "0.015")
    assert said["kld_hi"] <= 0.015 and said["file_bytes"] == os.path.getsize(out)
    smaller, less = mix("smaller.gguf", "--max-kld", "0.03")
    assert less["kld_hi"] <= 0.03 and os.path.getsize(smaller) < os.path.getsize(out)


def test_dry_run_shows_every_tensor():
    p = run("quantize", "default", "--target-bpw", "5", *FEW, "--measurements", MEASURED, "--dry-run")
    assert p.text.count("blk.") == 21 and "token_embd.weight" in p.text and "predicted KLD" in p.text


def test_refusals():
    out = os.path.join(TMP, "never.gguf")
    told = {}
    for name, args, code in (
            ("below", ("--target-size", "1M"), 1), ("above", ("--target-size", "80M"), 2),
            ("zero", ("--target-size", "0"), 2), ("both", ("--target-size", "2M", "--target-bpw", "5"), 2),
            ("codec", ("--target-bpw", "5", "-f", "q4_k_m"), 2), ("nothing", ("--max-kld", "0"), 2),
            ("bits", ("--target-bpw", "1.5"), 1), ("importance", ("--target-bpw", "5", "-f", "iq2_xxs"), 1),
            ("producer", ("--target-bpw", "5", "--producer", "nncf"), 2),
            ("reach", ("--max-kld", "0.0000001", *FEW, "--measurements", MEASURED), 1)):
        told[name] = one_sentence(run("quantize", "default", *args, "-o", out, "-q", expect=code))
    assert "smallest" in told["below"] and "f16" in told["above"] and "q4_k_m" in told["codec"], told
    one_sentence(run("quantize", "default", "--target-bpw", "5", expect=2))  # no -o
    other = path("other.json", b'{"whichquant_mix_measurements": 1, "model_sha256": "0"}')
    assert "model_sha256" in one_sentence(run("quantize", "default", "--target-bpw", "5", "--measurements", other,
                                              "-o", out, "-q", expect=2))
    broken = path("broken.json", b"{")
    one_sentence(run("quantize", "default", "--target-bpw", "5", "--measurements", broken, "-o", out, "-q", expect=1))
    short = path("short.txt", b"A few words. " * 20)
    one_sentence(run("quantize", "default", "--target-bpw", "5", "--text", short, "-o", out, "-q", expect=2))
    assert not os.path.exists(out)
    for where in ("-o", "--measurements"):  # before anything is measured
        p = run("quantize", "default", "--target-bpw", "5", "-o", out, where, "/nonexistent/x", expect=1)
        assert "/nonexistent/x" in one_sentence(p) and "errors of" not in p.err
    assert not os.path.exists(out)


def test_weights_that_are_not_finite():
    with open(os.path.join(ROOT, "datasets", "models", "default.gguf"), "rb") as f:
        model = bytearray(f.read())
    model[-64:-62] = b"\x00\x7e"  # NaN as f16
    told = one_sentence(run("quantize", path("nan.gguf", bytes(model)), "--target-bpw", "5", "-o", "x.gguf", expect=1))
    assert "NaN" in told, told


def test_budget_and_interrupt():
    short = os.path.join(TMP, "short.gguf")
    p = run("quantize", "default", "--target-size", "2M", "--budget", "10ms", "-o", short, "--json", "-q")
    said = json.loads(p.text)  # one measurement there must be, and four chunks of verification
    assert said["out_of_time"] and said["measurements"] == 1 and said["chunks"] == 4, said
    assert os.path.getsize(short) <= 2 << 20
    gone = os.path.join(TMP, "gone.gguf")
    child = subprocess.Popen([PROGRAM, "quantize", "default", "--target-bpw", "5", "-o", gone], env=ENV, cwd=TMP,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    child.stderr.readline()  # it is at work
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=120)
    assert child.returncode == 130, child.returncode
    assert not [f for f in os.listdir(TMP) if "gone" in f]


if __name__ == "__main__":
    sys.exit(main(globals()))
