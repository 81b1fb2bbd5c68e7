"""Calls a gateway with litellm as its README says: takes and gives what call.mjs does. Runs in an environment of its own."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import sys
import threading
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the internet for prices

import litellm

litellm.suppress_debug_info = True
answers = os.fdopen(os.dup(1), "w", buffering=1)
sys.stdout = sys.stderr  # litellm's own words


def called(asked: dict[str, Any]) -> Any:
    model = "openai/" + asked["wish"].pop("model")
    at = {"api_base": asked["url"], "api_key": asked["key"]}
    named = {"extra_headers": {"Idempotency-Key": asked["name"]}} if asked["name"] else {}
    given = {"max_retries": asked["repeats"], "timeout": asked["seconds"]}
    each = {**asked["wish"], **named, **{name: value for name, value in given.items() if value is not None}}
    if asked["client"] == "litellm-router":
        each.pop("max_retries", None)
        deployment = {"model_name": "images", "litellm_params": {"model": model, **at}}
        router = litellm.Router(model_list=[deployment], num_retries=asked["repeats"])
        return router.image_generation(model="images", **each)
    if "image" in each:
        each["image"] = io.BytesIO(base64.b64decode(each["image"]))
        return litellm.image_edit(model=model, **at, **each)
    return litellm.image_generation(model=model, **at, **each)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        result = called(asked)
    except Exception as error:
        told = {"kind": type(error).__name__, "message": str(error), "cause": type(error.__cause__).__name__}
        return {"error": {**told, "status": getattr(error, "status_code", None), "code": getattr(error, "code", None)}}
    images = [hashlib.sha256(base64.b64decode(item["b64_json"])).hexdigest() for item in result["data"]]
    said = (getattr(result, "_hidden_params", None) or {}).get("additional_headers") or {}
    return {"images": images, "credits": said.get("llm_provider-x-billing-credits")}


def work(asked: dict[str, Any]) -> None:
    print(json.dumps({"id": asked["id"], **answer(asked)}), file=answers)


for line in sys.stdin:
    threading.Thread(target=work, args=(json.loads(line),), daemon=True).start()
