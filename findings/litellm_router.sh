#!/usr/bin/env bash
# litellm's Router repeats an image request, and takes away all by which a server could tell.
#
# litellm 1.110.2 with openai 3.57.0 (PyPI).
#
#   image_generation  503 is sent again with `X-Stainless-Retry-Count` 0, 1, as openai does. 403 is final
#   Router            503 is sent again with 0, 0: it switches openai's repeats off and makes its own around them.
#                     It sends 403 again too, and 503 with `X-Should-Retry: false`, which openai would not
#   both              `extra_headers` go into the headers and into the JSON body of the request
#   image_edit        sends without openai: no count at all, and never again
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT; cd "$place"
python3 -m venv python >/dev/null
python/bin/pip install -q litellm==1.110.2 openai==3.57.0 2>/dev/null
cat > call.py <<'PYTHON'
import io, json, os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm

litellm.suppress_debug_info = True

class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked.append((self.headers.get("X-Stainless-Retry-Count"), body))
        self.send_response(status)
        answer = b'{"error": {"message": "no", "code": "no"}}'
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(answer)),
                           "X-Should-Retry": "true" if heard else "false"}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *said): pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
at = {"api_base": f"http://127.0.0.1:{server.server_port}/v1", "api_key": "x"}
router = litellm.Router(
    model_list=[{"model_name": "m", "litellm_params": {"model": "openai/gpt-image-2", **at}}], num_retries=1
)
more = {"prompt": "p", "extra_headers": {"Idempotency-Key": "k"}}
calls = {
    "image_generation": lambda: litellm.image_generation(model="openai/gpt-image-2", max_retries=1, **at, **more),
    "router": lambda: router.image_generation(model="m", **more),
    "image_edit": lambda: litellm.image_edit(model="openai/gpt-image-2", image=io.BytesIO(b"\x89PNG\r\n\x1a\n"), **at, **more),
}
for name, call in calls.items():
    for status, heard in ((503, True), (403, False), (503, False)):
        asked = []
        try:
            call()
        except Exception:
            pass
        print(name, status, "again" if heard else "not again", *(count for count, _ in asked))
    if name != "image_edit":
        print(name, json.loads(asked[0][1]).get("extra_headers"))
PYTHON
python/bin/python call.py 2>/dev/null | tee seen
diff seen - <<'SEEN'
image_generation 503 again 0 1
image_generation 403 not again 0
image_generation 503 not again 0
image_generation {'Idempotency-Key': 'k'}
router 503 again 0 0
router 403 not again 0 0
router 503 not again 0 0
router {'Idempotency-Key': 'k'}
image_edit 503 again None
image_edit 403 not again None
image_edit 503 not again None
SEEN
