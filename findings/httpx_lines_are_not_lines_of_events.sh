#!/bin/sh
# httpx 0.28.1 and httpx2 2.16.0, Python 3.11: `Response.iter_lines()` and `aiter_lines()` end lines at U+2028, U+2029,
# U+0085, form feeds and more, as `str.splitlines` does.
#
# In server-sent events only CR, LF and CRLF end a line, and in JSON all but the form feed may stand unescaped in a text (a
# prompt that was pasted from a word processor comes back in `revised_prompt`). Read with `iter_lines`, as most recipes for
# streams do, such an event falls into pieces: the first is no JSON, the others are no fields, and its image is lost.
# Seen on 2026-11-30, of one event in one line:
#
#   httpx  ['data: {"revised_prompt": "a ', 'b', 'c", "b64_json": "x"}', '']
#   httpx2 ['data: {"revised_prompt": "a ', 'b', 'c", "b64_json": "x"}', '']
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'httpx==0.28.1' 'httpx2==2.16.0'
cat > "$place/try.py" <<'END'
import json

import httpx
import httpx2

LINE = 'data: {"revised_prompt": "a \u2028b\u0085c", "b64_json": "x"}'
assert json.loads(LINE.removeprefix("data: "))["b64_json"] == "x"
for library in (httpx, httpx2):
    lines = list(library.Response(200, content=f"{LINE}\n\n".encode()).iter_lines())
    print(f"{library.__name__:6}", lines)
    assert lines == ['data: {"revised_prompt": "a ', "b", 'c", "b64_json": "x"}', ""], "it changed"
END
"$place/venv/bin/python" "$place/try.py"
