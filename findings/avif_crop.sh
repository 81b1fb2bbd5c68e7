#!/usr/bin/env bash
# One valid AVIF with a clean aperture (`clap`, ISO/IEC 14496-12 and 23008-12) has three sizes, by who reads it.
#
# Pillow 13.0.0 (libavif), sharp 0.35.5 (libheif 1.23.5), imagesize 2.0.1; Chromium 156, where there is one.
# 64x64 pixels are coded; 48x32 of them are to be shown, cut out of the upper left corner, or out of the middle.
#
#   corner  Pillow 64x64  imagesize 64x64  sharp 48x32  Chromium 48x32
#   middle  Pillow 64x64  imagesize 64x64  sharp 48x32  Chromium 64x64
#
# Chromium takes a crop only if it begins at 0,0, and drops all others without a word. Pillow and imagesize know no crop, so
# what is measured with them (bills, layouts, thumbnails) is not what is shown.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT; cd "$place"
python3 -m venv python >/dev/null
python/bin/pip install -q pillow==13.0.0 imagesize==2.0.1 playwright==1.65.0
npm install --silent --no-audit --no-fund sharp@0.35.5 >/dev/null

cat > write.py <<'PYTHON'
import io, struct
import imagesize
from PIL import Image

def box(kind, *parts):
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)

def boxes(data):
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size

file = io.BytesIO()
Image.new("RGB", (64, 64), (200, 10, 10)).save(file, "avif")
whole = file.getvalue()
for name, (right, down) in {"corner": (-8, -16), "middle": (0, 0)}.items():
    meta = dict(boxes(whole))[b"meta"]
    parts = dict(boxes(meta[4:]))
    properties = dict(boxes(parts[b"iprp"]))
    known, owned = properties[b"ipco"], properties[b"ipma"]
    place = len(list(boxes(known))) + 1
    known += box(b"clap", struct.pack(">8i", 48, 1, 32, 1, right, 1, down, 1))
    owned = owned[:10] + bytes([owned[10] + 1]) + owned[11:] + bytes([0x80 | place])  # essential, the last of item 1
    parts[b"iprp"] = box(b"ipco", known) + box(b"ipma", owned)
    longer = sum(8 + len(part) for part in parts.values()) + 4 - len(meta)
    location = bytearray(parts[b"iloc"])
    struct.pack_into(">I", location, 14, struct.unpack_from(">I", location, 14)[0] + longer)
    parts[b"iloc"] = bytes(location)
    cropped = whole.replace(box(b"meta", meta), box(b"meta", meta[:4], *(box(*part) for part in parts.items())))
    open(f"{name}.avif", "wb").write(cropped)
    picture = Image.open(io.BytesIO(cropped))
    picture.load()
    print(name, "pillow %dx%d" % picture.size, "imagesize %dx%d" % imagesize.get(f"{name}.avif"))
PYTHON
cat > look.cjs <<'NODE'
const sharp = require("sharp")
const look = async (name) => {
  const { info } = await sharp(`${name}.avif`).raw().toBuffer({ resolveWithObject: true })
  console.log(name, `sharp ${info.width}x${info.height}`)
}
look("corner").then(() => look("middle"))
NODE
cat > show.py <<'PYTHON'
import base64, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright, playwright.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox"]) as browser:
    page = browser.new_page()
    for name in ("corner", "middle"):
        text = base64.b64encode(open(f"{name}.avif", "rb").read()).decode()
        width, height = page.evaluate("""async (text) => { const image = new Image()
            image.src = "data:image/avif;base64," + text
            await image.decode()
            return [image.naturalWidth, image.naturalHeight] }""", text)
        print(name, f"chromium {width}x{height}")
PYTHON
python/bin/python write.py | tee seen
node look.cjs | tee -a seen
chromium=$(command -v chromium chromium-browser google-chrome-stable google-chrome | head -1 || true)
if test -n "$chromium"; then python/bin/python show.py "$chromium" | tee -a seen; fi

grep -qx 'corner pillow 64x64 imagesize 64x64' seen && grep -qx 'middle pillow 64x64 imagesize 64x64' seen
grep -qx 'corner sharp 48x32' seen && grep -qx 'middle sharp 48x32' seen
if test -n "$chromium"; then grep -qx 'corner chromium 48x32' seen && grep -qx 'middle chromium 64x64' seen; fi
