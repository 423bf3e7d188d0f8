#!/usr/bin/env python3
"""A server for the tests that speaks as llama-server, vLLM and Ollama do, and in the ways in which servers fail. The name
of the model asked for chooses the way. On loopback only; prints `port N` when it listens and ends with its parent.
Usage: fake_server.py; or in the place of llama-server, with llama-server's arguments."""
import json
import os
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

MODELS = ["good", "split", "glued", "crlf", "slow"]
LLAMA = {}          # arguments, when this stands in for llama-server
# Below /NAME: who it says it is, where its version stands, and the answer there.
OTHERS = {"vllm": ("vllm", "/version", {"version": "0.32.0"}),
          "ovms": ("OVMS", "/v2", {"name": "OpenVINO Model Server", "version": "2026.4", "extensions": []}),
          "lmstudio": ("organization_owner", "/none", {}),
          "foundry": ("Microsoft", "/none", {})}
lock = threading.Lock()
at_once = {"now": 0, "most": 0}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def whole(self, status, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def stream(self, kind="text/event-stream"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def do_GET(self):
        if self.path == "/health":
            return self.whole(200, {"status": "ok"})
        if self.path == "/api/version":
            return self.whole(200, {"version": "0.30.1"})
        if self.path == "/props":
            return self.whole(200, {"build_info": "b6710-0c1e57098"})
        if self.path == "/most":
            return self.whole(200, at_once)
        if self.path == "/locked/models":
            return self.whole(401, {"error": {"message": "bad key " + self.headers.get("Authorization", "none")}})
        if self.path == "/nolist/models":
            return self.whole(404, b"<html>no</html>", "text/html")
        for place, (owner, version, answer) in OTHERS.items():
            if self.path == f"/{place}{version}":
                return self.whole(200, answer)
            if self.path.startswith(f"/{place}/v") and self.path.endswith("/models"):
                return self.whole(200, {"object": "list", "data": [{"id": "good", "object": "model", "owned_by": owner}]})
        if self.path.endswith("/models"):
            names = [LLAMA["--alias"]] if LLAMA else MODELS
            return self.whole(200, {"object": "list", "data": [
                {"id": n, "owned_by": "llamacpp", "meta": {"n_vocab": 1000}} for n in names]})
        self.whole(404, {"error": {"message": "no such path", "code": 404}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        counted = body["model"] == "slow"
        with lock:
            at_once["now"] += counted
            at_once["most"] = max(at_once["most"], at_once["now"])
        try:
            self.answer(body)
        finally:
            with lock:
                at_once["now"] -= counted

    def answer(self, body):
        model = body["model"]
        if LLAMA:
            model = os.environ.get("FAKE_SERVER", "good") if body.get("max_tokens", 0) > 1 else "good"
        if self.path == "/api/generate":
            return self.ollama(model, body)
        chat = self.path.endswith("/chat/completions")
        fixed = {
            "no-model": (404, {"error": {"message": "model 'no-model' not found", "type": "not_found_error"}}),
            "broken": (500, {"error": {"code": 500, "message": "tensor on fire", "type": "server_error"}}),
            "html": (502, b"<html><body>Bad gateway</body></html>"),
            "moved": (301, b""),
            "teapot": (418, b"I am\x1b[31m a teapot"),
        }
        if model in fixed:
            return self.whole(*fixed[model])
        if model == "chat-only" and not chat:
            return self.whole(404, b"404 page not found", "text/plain")
        if model in ("text-only", "plain-only", "chat-only") and isinstance(body.get("prompt"), list):
            return self.whole(422, {"detail": [{"msg": "Input should be a valid string"}]})
        if model == "plain-only" and "ignore_eos" in body:
            return self.whole(400, {"error": {"message": "Unrecognized request argument: ignore_eos"}})
        getattr(self, "say_" + model.replace("-", "_"), self.say_good)(body, chat)

    def tokens_of(self, body, chat):
        p = body["messages"][0]["content"] if chat else body["prompt"]
        return len(p) if isinstance(p, list) else len(p.split()) + (7 if chat else 1)

    def event(self, body, chat, text, finish=None):
        choice = {"index": 0, "finish_reason": finish}
        choice.update({"delta": {"content": text} if text else {}} if chat else {"text": text})
        return {"id": "x", "object": "text_completion", "model": body["model"], "choices": [choice]}

    def last_events(self, body, chat, n, **over):
        usage = {"prompt_tokens": self.tokens_of(body, chat), "completion_tokens": n}
        usage.update(over)
        return [self.event(body, chat, "", "length"), {"choices": [], "usage": usage}]

    def say(self, body, chat, write, pause=0.002, end=b"\n\n", n=None, **over):
        """The good stream, written by `write`."""
        n = n or body["max_tokens"]
        self.stream()
        time.sleep(0.01)
        first = self.event(body, chat, "")
        if chat:
            first["choices"][0]["delta"] = {"role": "assistant", "content": ""}
            write(b"data: " + json.dumps(first).encode() + end)
        for i in range(n):
            time.sleep(pause)
            write(b"data: " + json.dumps(self.event(body, chat, " w%d" % i)).encode() + end)
        for e in self.last_events(body, chat, n, **over):
            write(b"data: " + json.dumps(e).encode() + end)
        write(b"data: [DONE]" + end)
        self.chunk(b"")

    def say_good(self, body, chat):
        self.say(body, chat, self.chunk)

    def say_crlf(self, body, chat):
        self.say(body, chat, lambda d: self.chunk(b": ping\r\n\r\nevent: message\r\n" + d), end=b"\r\n\r\n")

    def say_slow(self, body, chat):
        self.say(body, chat, self.chunk, pause=0.05)

    def say_split(self, body, chat):
        def pieces(d):
            for i in range(0, len(d), 7):
                self.chunk(d[i:i + 7])
        self.say(body, chat, pieces, pause=0.001)

    def say_glued(self, body, chat):
        held = []

        def pairs(d):
            held.append(d)
            if len(held) == 2 or b"DONE" in d or body["max_tokens"] == 1:
                self.chunk(b"".join(held))
                held.clear()
        self.say(body, chat, pairs)

    def say_at_once(self, body, chat):
        held = []
        self.say(body, chat, lambda d: held.append(d) if b"DONE" not in d else self.chunk(b"".join(held) + d), pause=0)

    def say_no_usage(self, body, chat):
        self.say(body, chat, lambda d: None if b'"usage"' in d else self.chunk(d))

    def say_short(self, body, chat):
        self.say(body, chat, self.chunk, n=max(1, body["max_tokens"] // 2))

    def say_too_short(self, body, chat):
        self.say(body, chat, self.chunk, n=1)

    def say_miscounted(self, body, chat):
        self.say(body, chat, self.chunk, prompt_tokens=3)

    def say_absurd_count(self, body, chat):
        self.say(body, chat, self.chunk, completion_tokens=123456)

    def say_nan(self, body, chat):
        self.say(body, chat, lambda d: self.chunk(d.replace(b'"completion_tokens": ', b'"completion_tokens": NaN, "x": ')))

    def say_absurd_timings(self, body, chat):
        self.say(body, chat, lambda d: self.chunk(d.replace(
            b'"usage"', b'"timings": {"prompt_n": 16, "prompt_ms": 1e12, "predicted_ms": -4}, "usage"')))

    def say_malformed(self, body, chat):
        self.say(body, chat, lambda d: self.chunk(d.replace(b"}", b"]")))

    def say_error_inside(self, body, chat):
        self.say(body, chat, lambda d: self.chunk(
            b'data: {"error": {"message": "context overflow"}}\n\n' if b"w3" in d or b"DONE" in d else d))

    def say_huge(self, body, chat):
        self.stream()
        for _ in range(40):
            self.chunk(b"data: " + b"x" * 60000 if _ == 0 else b"x" * 60000)

    def say_closes(self, body, chat):
        self.stream()
        self.chunk(b"data: " + json.dumps(self.event(body, chat, " a")).encode() + b"\n\n")
        self.close_connection = True

    def say_ends_early(self, body, chat):
        self.stream()
        self.chunk(b"data: " + json.dumps(self.event(body, chat, " a")).encode() + b"\n\n")
        if body["max_tokens"] == 1:
            self.chunk(b"data: " + json.dumps(self.event(body, chat, "", "length")).encode() + b"\n\n")
        self.chunk(b"")

    def say_empty(self, body, chat):
        self.stream()
        self.chunk(b": nothing to say\n\ndata: [DONE]\n\n")
        self.chunk(b"")

    def say_nothing(self, body, chat):
        time.sleep(30)

    def say_hangs(self, body, chat):
        self.stream()
        self.chunk(b"data: " + json.dumps(self.event(body, chat, " a")).encode() + b"\n\n")
        time.sleep(30)

    def say_dies(self, body, chat):
        self.stream()
        self.chunk(b"data: " + json.dumps(self.event(body, chat, " a")).encode() + b"\n\n")
        print("ggml_abort: something is wrong", flush=True)
        os.abort()

    def ollama(self, model, body):
        n, p = body["options"]["num_predict"], len(body["prompt"].split()) + 1
        if model == "no-model":
            return self.whole(404, {"error": "model 'no-model' not found"})
        self.stream("application/x-ndjson")
        write = lambda o: self.chunk(json.dumps(o).encode() + b"\n")
        time.sleep(0.02)
        for i in range(n):
            time.sleep(0.002)
            if model == "ollama-error" and i == 3:
                write({"error": "an error was encountered while running the model"})
                return self.chunk(b"")
            write({"model": model, "response": " w%d" % i, "done": False})
        last = {"model": model, "response": "", "done": True, "done_reason": "length", "total_duration": 30000000,
                "prompt_eval_count": p, "prompt_eval_duration": p * 10000, "eval_count": n, "eval_duration": n * 1000000}
        if model == "ollama-absurd":
            last["eval_duration"] = 9 * 10 ** 18
        if model == "ollama-silent":
            for key in ("prompt_eval_duration", "eval_duration"):
                del last[key]
        write(last)
        self.chunk(b"")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = False
    daemon_threads = True
    request_queue_size = 64


def end_with_parent(parent):
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(0)


def stand_in(args):
    """llama-server's place: what FAKE_START says happens at the start."""
    if "--version" in args:
        print("version: 6710 (0c1e57098)", file=sys.stderr)
        sys.exit(0)
    if "--list-devices" in args:
        print("Available devices:\n" + os.environ.get("FAKE_DEVICES", "  (none)"))
        sys.exit(0)
    if "--help" in args:
        print("--cache-ram N")
        sys.exit(0)
    LLAMA.update(zip(args[::1], args[1::1]))
    start, mark = os.environ.get("FAKE_START", ""), os.environ.get("FAKE_MARK", "")
    if mark:
        with open(mark, "a") as f:
            f.write("%d %s\n" % (os.getpid(), " ".join(args)))
    if start == "taken" and len(open(mark).readlines()) < 3:
        print("start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: " + LLAMA["--port"])
        sys.exit(1)
    if start == "fails":
        print("error: failed to load model, '%s'" % LLAMA["-m"], file=sys.stderr)
        sys.exit(1)
    if start == "crashes":
        os.kill(os.getpid(), 11)
    if start == "sleeps":
        time.sleep(1000)
    return int(LLAMA["--port"])


if __name__ == "__main__":
    port = stand_in(sys.argv[1:]) if len(sys.argv) > 1 else 0
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    with Server(("127.0.0.1", port), Handler) as server:
        print("port %d" % server.server_address[1], flush=True)
        server.serve_forever(poll_interval=0.05)
