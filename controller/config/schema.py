"""JSON Schema of the protocol language, for editors."""

from typing import Any

from annealscope.controller.config.protocol import Protocol


def protocol_schema() -> dict[str, Any]:
    """Return the JSON Schema of a protocol, which ``protocols/protocol.schema.json`` holds."""
    schema = Protocol.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_null(schema)}


def _without_null(schema: Any) -> Any:
    """Take null out: a key without a value is refused, a key that is optional is left out."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema if item != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    clean = {
        key: _without_null(value) for key, value in schema.items() if not (key == "default" and value is None)
    }
    options = clean.get("anyOf", [])
    if len(options) == 1:
        del clean["anyOf"]
        clean = {**options[0], **clean}
    return clean
