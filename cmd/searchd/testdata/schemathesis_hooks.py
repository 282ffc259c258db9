"""Lets Schemathesis send the document's examples of lines, and holds the failures
that a request can ask for to their codes."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "surrogatepass")


@schemathesis.check
def only_what_was_asked_for(ctx, response, case):
    code = {502: "fetch_failed", 504: "deadline"}.get(response.status_code)
    if code is not None:
        assert response.json()["code"] == code, response.text
