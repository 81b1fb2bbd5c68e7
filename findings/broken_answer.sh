#!/usr/bin/env bash
# The body of a 200 breaks off. Who sends the POST again, and with it pays for a second picture?
#
# openai 3.57.0 (PyPI), openai 7.59.0 (npm), ai 7.0.173 with @ai-sdk/openai 4.0.118; Node 20 or newer.
#
#   openai for Python  2 requests        the read error of the body is an APIConnectionError, which is repeated
#   AI SDK             2 requests        the same, after 2 seconds, and nothing in the request says that it is a repeat
#   openai for Node    1 request         and no error of the library: a bare `TypeError: terminated`
#
# A status line with 200 has come by then: the work is done and, at an API without idempotency keys, paid. One library in
# two languages, by one generator, decides it in two ways.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT; cd "$place"
python3 -m venv python >/dev/null
python/bin/pip install -q openai==3.57.0 2>/dev/null
npm install --silent --no-audit --no-fund openai@7.59.0 ai@7.0.173 @ai-sdk/openai@4.0.118 >/dev/null

cat > serve.py <<'PYTHON'
import json, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked = 0
body = json.dumps({"created": 1, "data": [{"b64_json": "AAAA" * 20_000}]}).encode()

class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global asked
        asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:20_000] if asked == 1 else body)
        self.close_connection = True
    def log_message(self, *said): pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
said = subprocess.run([*sys.argv[2:], f"http://127.0.0.1:{server.server_port}/v1"], capture_output=True, text=True)
print(sys.argv[1], asked, said.stdout.strip())
PYTHON
cat > call.py <<'PYTHON'
import openai, sys
print(len(openai.OpenAI(base_url=sys.argv[1], api_key="x").images.generate(model="gpt-image-2", prompt="p").data))
PYTHON
cat > openai.mjs <<'NODE'
import OpenAI from "openai"
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "x" })
await client.images.generate({ model: "gpt-image-2", prompt: "p" }).catch((error) =>
  console.log(`${error.constructor.name}: ${error.message}`, error instanceof OpenAI.APIError))
NODE
cat > ai.mjs <<'NODE'
import { createOpenAI } from "@ai-sdk/openai"
import { generateImage } from "ai"
const model = createOpenAI({ baseURL: process.argv[2], apiKey: "x" }).image("gpt-image-2")
console.log((await generateImage({ model, prompt: "p" })).images.length)
NODE
{ python/bin/python serve.py python python/bin/python call.py
  python/bin/python serve.py node node openai.mjs
  python/bin/python serve.py ai node ai.mjs; } | tee seen
diff seen - <<'SEEN'
python 2 1
node 1 TypeError: terminated false
ai 2 1
SEEN
