#!/usr/bin/env bash
# `Retry-After: 3600` on a 429. Four clients of one API, four readings.
#
# openai 3.57.0 (PyPI), openai 7.59.0 and 6.49.0 (npm), ai 7.0.173 with @ai-sdk/openai 4.0.118; Node 20 or newer.
#
#   openai for Python 3.57  does not repeat at all, also with `X-Should-Retry: true` (above 120 s)
#   openai for Node 7.59    drops what is above 60 s: it is back after half a second
#   openai for Node 6.49    sleeps for the hour
#   AI SDK 7.0              drops 60 s and more: it is back after two seconds
#
# So a server that is overloaded and says so for longer than a minute is called more, not less. 59 is what all of them keep.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT; cd "$place"
python3 -m venv python >/dev/null
python/bin/pip install -q openai==3.57.0 2>/dev/null
npm install --silent --no-audit --no-fund openai@7.59.0 openai-6@npm:openai@6.49.0 ai@7.0.173 @ai-sdk/openai@4.0.118 >/dev/null

cat > serve.py <<'PYTHON'
import subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked = 0

class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        global asked
        asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"error": {"message": "slow down"}}'
        self.send_response(429)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(body)),
                           "Retry-After": "3600", **({"X-Should-Retry": "true"} if sys.argv[1] == "python" else {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *said): pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
try:
    subprocess.run([*sys.argv[2:], f"http://127.0.0.1:{server.server_port}/v1"], capture_output=True, timeout=12)
    print(sys.argv[1], asked)
except subprocess.TimeoutExpired:
    print(sys.argv[1], asked, "and waits")
PYTHON
cat > call.py <<'PYTHON'
import openai, sys
openai.OpenAI(base_url=sys.argv[1], api_key="x", max_retries=1).images.generate(model="gpt-image-2", prompt="p")
PYTHON
for library in openai openai-6; do cat > $library.mjs <<NODE
import OpenAI from "$library"
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "x", maxRetries: 1 })
await client.images.generate({ model: "gpt-image-2", prompt: "p" })
NODE
done
cat > ai.mjs <<'NODE'
import { createOpenAI } from "@ai-sdk/openai"
import { generateImage } from "ai"
const model = createOpenAI({ baseURL: process.argv[2], apiKey: "x" }).image("gpt-image-2")
await generateImage({ model, prompt: "p", maxRetries: 1 })
NODE
{ python/bin/python serve.py python python/bin/python call.py
  python/bin/python serve.py node-7 node openai.mjs
  python/bin/python serve.py node-6 node openai-6.mjs
  python/bin/python serve.py ai node ai.mjs; } | tee seen
diff seen - <<'SEEN'
python 1
node-7 2
node-6 1 and waits
ai 2
SEEN
