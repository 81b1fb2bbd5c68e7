#!/usr/bin/env bash
# One application behind two ASGI servers: where the caller's port is a number, and where it is text.
#
# granian 2.8.7, uvicorn 0.52.0 (PyPI); Python 3.11 or newer.
#
#   uvicorn   client = ['127.0.0.1', 49314]     server = ['127.0.0.1', 41571]
#   granian   client = ['127.0.0.1', '34228']   server = ['127.0.0.1', '33909']
#
# ASGI says "Iterable[Unicode string, int]". What keeps connections by scope["client"] and finds them by getpeername() finds none
# behind granian, and nothing fails: the two tuples are merely never equal.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT; cd "$place"
python3 -m venv python >/dev/null
python/bin/pip install -q granian==2.8.7 uvicorn==0.52.0 2>/dev/null

cat > app.py <<'PYTHON'
import json

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = json.dumps({"client": scope["client"], "server": scope["server"]}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
PYTHON
cat > call.py <<'PYTHON'
import http.client, json, socket, subprocess, sys, time

def seen(*command):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*command, "--port", str(port), "app:app"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                caller = http.client.HTTPConnection("127.0.0.1", port)
                caller.request("GET", "/")
                return json.load(caller.getresponse())
            except OSError:
                time.sleep(0.05)
        sys.exit("no server")
    finally:
        server.terminate()
        server.wait()

kinds = {}
for name, command in {"uvicorn": ["python/bin/uvicorn"], "granian": ["python/bin/granian", "--interface", "asginl"]}.items():
    told = seen(*command)
    print(f"{name:<9} client = {told['client']}   server = {told['server']}")
    kinds[name] = {type(told[end][1]) for end in ("client", "server")}
sys.exit(kinds != {"uvicorn": {int}, "granian": {str}})
PYTHON
python/bin/python call.py
