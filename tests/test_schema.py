import json
from importlib.resources import files

import pytest
import yaml
from protocol_texts import PROTOCOL

from annealscope.controller.config.schema import protocol_schema
from annealscope.controller.config.sources import read_source, shipped_names


def test_the_committed_schema_is_the_one_of_the_models():
    committed = files("annealscope.protocols").joinpath("protocol.schema.json").read_text(encoding="utf-8")
    assert json.loads(committed) == protocol_schema(), (
        "the language has changed; write the new schema with `annealscope schema > "
        "protocols/protocol.schema.json`"
    )


def test_every_key_is_described():
    schema = protocol_schema()
    blocks = {"Protocol": schema, **schema["$defs"]}
    undescribed = [
        f"{name}.{key}"
        for name, block in blocks.items()
        for key, value in block.get("properties", {}).items()
        if not {"description", "$ref"} & set(value)
    ]
    assert undescribed == []


def test_no_block_takes_unknown_keys_and_no_key_takes_null():
    schema = protocol_schema()
    assert all(block["additionalProperties"] is False for block in (schema, *schema["$defs"].values()))
    assert '"null"' not in json.dumps(schema)


def test_the_keys_are_those_of_the_file():
    schema = protocol_schema()
    protocol = yaml.safe_load(PROTOCOL)
    assert set(protocol) <= set(schema["properties"])
    assert set(protocol["settle"]) == set(schema["$defs"]["Settle"]["required"])
    assert set(schema["$defs"]["Step"]["properties"]) == {
        "ramp", "cool", "hold", "wait", "prepare", "acquire", "prompt", "park", "for_each"
    }  # fmt: skip


def test_prompts_and_parks_may_be_mere_texts():
    steps = protocol_schema()["$defs"]["Step"]["properties"]
    for key in ("prompt", "park"):
        assert {"string", None} == {form.get("type") for form in steps[key]["anyOf"]}


@pytest.mark.parametrize("name", shipped_names())
def test_the_shipped_protocols_point_at_the_schema(name):
    first_line = read_source(name).content.decode().splitlines()[0]
    assert first_line == "# yaml-language-server: $schema=./protocol.schema.json"
