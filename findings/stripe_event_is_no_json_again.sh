#!/bin/sh
# stripe 16.1.0 (PyPI), Python 3.11. An event that came as JSON is no JSON again: where an object in it has a field that the
# library knows as a decimal (here `currency_conversion.fx_rate` of a checkout session, text on the wire), `to_dict()` holds a
# `decimal.Decimal`, and `json.dumps` of what was JSON a moment ago is a TypeError. Whoever lists events and stores them as
# text meets it only once a customer pays in another currency. `to_dict(for_json=True)` gives back the text as it was sent.
#
# Seen:
#   without for_json: Object of type Decimal is not JSON serializable
#   with for_json:    the same text
# Exit 0 as long as that is so.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check stripe==16.1.0
"$place/venv/bin/python" - <<'PYTHON'
import json
import sys

import stripe

SENT = json.dumps({
    "id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": 1,
    "data": {"object": {
        "id": "cs_1", "object": "checkout.session",
        "currency_conversion": {
            "amount_subtotal": 920, "amount_total": 920, "fx_rate": "1.0866120", "source_currency": "eur",
        },
    }},
})
event = stripe.Event.construct_from(json.loads(SENT), "sk_test_none")
try:
    json.dumps(event.to_dict())
    told = "nothing is wrong"
except TypeError as error:
    told = str(error)
same = json.dumps(event.to_dict(for_json=True)) == SENT
print(f"without for_json: {told}")
print(f"with for_json:    {'the same text' if same else 'another text'}")
sys.exit(0 if "Decimal is not JSON serializable" in told and same else 1)
PYTHON
