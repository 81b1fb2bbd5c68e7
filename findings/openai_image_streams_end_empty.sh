#!/bin/sh
# openai 3.57.0 for Python (with httpx2 2.16.x), Python 3.11: a stream of images ends without an image and without an error.
#
# `client.images.generate(stream=True)` reads bodies that hold the final image like this (seen on 2026-11-30):
#
#   as OpenAI sends it                          1 event, image_generation.completed
#   the type on the `event:` line only          1 event, whose class is ImageGenPartialImageEvent and whose type is None
#   no blank line behind the last event         0 events
#   JSON (a provider that does not stream)      0 events
#
# Nothing is raised. The second is allowed by the WHATWG's rules, and the final image passes for a preview; the third is an
# event that a browser drops too, but here it was paid for; of the fourth, the content type says that it is no stream.
# So a gateway that relays what it gets bills images that no program sees: it must send on events as this client reads them.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'openai==3.57.0'
cat > "$place/try.py" <<'END'
import httpx2
import openai

FINAL = '{"type": "image_generation.completed", "b64_json": "iVBORw0K"}'
BODIES = {
    "as sent": (f"data: {FINAL}\n\n", "text/event-stream"),
    "event line": ('event: image_generation.completed\ndata: {"b64_json": "iVBORw0K"}\n\n', "text/event-stream"),
    "no blank line": (f"data: {FINAL}\n", "text/event-stream"),
    "JSON": ('{"created": 1, "data": [{"b64_json": "iVBORw0K"}]}', "application/json"),
}
EXPECTED = {
    "as sent": [("ImageGenCompletedEvent", "image_generation.completed")],
    "event line": [("ImageGenPartialImageEvent", None)],
    "no blank line": [],
    "JSON": [],
}
found = {}
for name, (body, kind) in BODIES.items():
    answer = lambda request: httpx2.Response(200, text=body, headers={"Content-Type": kind})
    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = openai.OpenAI(api_key="x", base_url="http://x/v1", max_retries=0, http_client=http)
    events = client.images.generate(model="gpt-image-2", prompt="x", stream=True)
    found[name] = [(type(event).__name__, event.type) for event in events]
    print(f"{name:14}", found[name])
assert found == EXPECTED, "it changed"
END
"$place/venv/bin/python" "$place/try.py"
