"""Protocols and rigs as nobody should write them: by malice, by accident, by another program."""

import json

from protocol_texts import PROTOCOL, RIG, changed, with_steps


def _laughs() -> str:
    lines = ["a: &a [lol]"]
    for before, name in zip("abcdefghijklm", "bcdefghijklmn", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


def _merge_keys() -> str:
    levels = [f"l{i}: &l{i} {{<<: [{', '.join([f'*l{i - 1}'] * 9)}]}}" for i in range(1, 12)]
    return "\n".join(["l0: &l0 {a: 1}", *levels])


def _repetitions(depth: int, values: int) -> str:
    steps = "[{acquire: ecm}]"
    for level in range(depth):
        steps = f"[{{for_each: {{v{level}: {list(range(values))}, steps: {steps}}}}}]"
    return with_steps("").replace("steps:\n", f"steps: {steps}\n")


def _ecm(old: str, new: str) -> str:
    return changed(PROTOCOL, old, new)


def _to(quantity: str) -> str:
    return _ecm("to: 100 degC", f"to: {quantity}")


def _prompt(message: str) -> str:
    return with_steps(f"  - prompt: {message}\n")


NO_TEXT: dict[str, str | bytes] = {
    "empty": b"",
    "only blanks": b"  \n\n   \n",
    "only a comment": b"# later\n",
    "only a byte order mark": b"\xef\xbb\xbf",
    "UTF-16": PROTOCOL.encode("utf-16"),
    "UTF-32": PROTOCOL.encode("utf-32"),
    "Latin-1 degree sign": PROTOCOL.replace("100 degC", "100 °C").encode("latin-1"),
    "cut in the middle of a character": "name: °".encode()[:-1],
    "overlong UTF-8": b"name: \xc0\xaf\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "a pickle": b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x94.",
    "a megabyte of one key": b"k" * 2**20,
    "a megabyte of zeros": bytes(2**20),
    "a megabyte of blanks": PROTOCOL.encode() + b" " * 2**20,
}
"""Files that are refused as a whole, without a place."""

FORM: dict[str, str | bytes] = {
    "billion laughs": _laughs(),
    "merge-key bomb": _merge_keys(),
    "an anchor and its alias": _ecm(
        "dose_rate:", "region: &r {fresh: true}\n    drift_region: *r\n    dose_rate:"
    ),
    "an alias to nothing": _ecm("camera: imaging", "camera: *imaging"),
    "an alias to itself": "a: &a [*a]\n",
    "a Python object": _ecm("name: test", "name: !!python/object/apply:os.system [reboot]"),
    "a Python name": _ecm("name: test", "name: !!python/name:os.system"),
    "binary": _ecm("name: test", "name: !!binary aGVsbG8="),
    "a set": _ecm("steps:\n", "x: !!set {a, b}\nsteps:\n"),
    "a tag of its own": _ecm("name: test", "name: !include /etc/passwd"),
    "brackets": "[" * 60_000,
    "brackets in a value": _ecm("name: test", "name: " + "[" * 60_000),
    "deep mappings": "{a: " * 15_000,
    "a key twice at the top": PROTOCOL + "name: other\n",
    "a key twice in a flow": _ecm("rate: 20 K/min", "rate: 20 K/min, rate: 1 K/min"),
    "a key twice deep inside": _ecm("    exposure: 1 s\n", "    exposure: 1 s\n    exposure: 2 s\n"),
    "a section twice": PROTOCOL + "steps:\n  - hold: look\n",
    "indented by tabs": PROTOCOL.replace("    kind", "\tkind"),
    "a zip file": b"PK\x03\x04" + bytes(60),
    "a NUL byte": _ecm("name: test", "name: te\x00st"),
    "an escape code": _ecm("name: test", "name: \x1b[31mtest"),
    "two documents": PROTOCOL + "---\n" + PROTOCOL,
    "a directive": "%YAML 1.2\n---\n" + PROTOCOL,
    "a block that is not closed": _ecm("1 nm, limit: 5 nm}", "1 nm, limit: 5 nm"),
    "a quote that is not closed": _ecm("name: test", 'name: "test'),
    "a byte order mark in the middle": _ecm("name: test", "name: te\ufeffst"),
    "a bidirectional override": _ecm("name: test", "name: te\u202etxet"),
    "a line separator in a text": _ecm("name: test", 'name: "te\\u2028st"'),
    "JSON with a comment": json.dumps({"name": "a"}) + " // comment",
    "a key that is a list": _ecm("name: test", "? [a, b]\n: c"),
    "an endless number": _ecm("frames: 2000", "frames: " + "9" * 5000),
    "a number beyond floats": _ecm("frames: 2000", "frames: 1e999"),
    "more than 5000 keys": "".join(f"key{i}: 1\n" for i in range(5500)),
}
"""Not the language at all."""

MEANING: dict[str, str | bytes] = {
    "a list": "- a\n- b\n",
    "a text": "just text\n",
    "CRLF and a wrong key": PROTOCOL.replace("\n", "\r\n").replace("period", "perod"),
    "octal": _ecm("frames: 2000", "frames: 010"),
    "hexadecimal": _ecm("frames: 2000", "frames: 0x7d0"),
    "sexagesimal": _ecm("2000 s", "1:30"),
    "a number without a unit": _ecm("2000 s", "1e3"),
    "two points in a number": _ecm("frames: 2000", "frames: 2.0.0"),
    "a fraction of a frame": _ecm("frames: 2000", "frames: 1999.5"),
    "underscores": _ecm("frames: 2000", "frames: 2_000"),
    "no": _ecm("camera: imaging", "camera: no"),
    "on": _ecm("frames: 2000", "frames: on"),
    "yes for true": _ecm("period: 2 s", "period: 2 s\n    region: {fresh: yes}"),
    "nothing": _ecm("frames: 2000", "frames: ~"),
    "not a number": _to(".nan"),
    "infinite": _ecm("2000 s", ".inf"),
    "NaN with a unit": _to("nan degC"),
    "infinity with a unit": _ecm("2000 s", "inf s"),
    "below absolute zero": _to("-300 degC"),
    "absolute zero": _to("0 K"),
    "a negative rate": _ecm("rate: 20 K/min", "rate: -20 K/min"),
    "degrees of Fahrenheit": _to("212 F"),
    "degrees without a letter": _to("100 °"),
    "glued": _to("100degC"),
    "glued with a degree sign": _to("100°C"),
    "degrees per minute": _ecm("rate: 20 K/min", "rate: 20 degC/min"),
    "a temperature for a time": _ecm("2000 s", "2000 K"),
    "comma for the point": _to("'100,5 degC'"),
    "thousands with a comma": _ecm("2000 s", "'2,000 s'"),
    "thousands with an apostrophe": _ecm("2000 s", '"2\'000 s"'),
    "thousands with a narrow blank": _ecm("2000 s", "2\u202f000 s"),
    "a no-break blank": _to("100\u00a0degC"),
    "a Unicode minus": _to("\u221220 degC"),
    "an en dash": _to("\u201320 degC"),
    "digits of another script": _to("\u0661\u0660\u0660 degC"),
    "full-width digits": _to("１００ degC"),
    "superscript": _ecm("4.4e5 e/nm^2/s", "4.4e5 e/nm²/s"),
    "micro with a Greek letter": _ecm("limit: 5 nm", "limit: 5 \u03bcm"),
    "two quantities": _ecm("2000 s", "33 min 20 s"),
    "arithmetic": _ecm("2000 s", "2 * 1000 s"),
    "an expression in braces": _ecm("2000 s", '"{2000} s"'),
    "a hold of 1e300 s": _ecm("2000 s", "1e300 s"),
    "a hold of 1e400 s": _ecm("2000 s", "1e400 s"),
    "a hold that is too short to exist": _ecm("2000 s", "1e-300 s"),
    "1e9 frames": _ecm("frames: 2000", "frames: 1000000000"),
    "a negative number of frames": _ecm("frames: 2000", "frames: -5"),
    "hotter than the sun": _to("1e9 degC"),
    "a long unit": _to("1 " + "x" * 50_000),
    "long digits": _to("1" * 50_000 + " degC"),
    "nested repetitions, 1e9 steps": _repetitions(3, 1000),
    "deeply nested repetitions": _repetitions(4, 200),
    "repetitions of a thousand values": _repetitions(2, 1000),
    "a sequence in a thousand holds": PROTOCOL + "  - hold: look\n" * 3000,
    "a variable with a format": with_steps(
        "  - for_each: {n: [1], steps: [{acquire: '{n!r:>1000000000}'}]}\n"
    ),
    "a variable with an attribute": with_steps(
        "  - for_each: {n: [1], steps: [{acquire: '{n.__class__.__mro__}'}]}\n"
    ),
    "a percent format": with_steps("  - acquire: '%s%s%n'\n"),
    "a name with a path": _ecm("  ecm:\n", "  ../../etc/cron.d/ecm:\n"),
    "a name with a backslash": _ecm("  ecm:\n", "  'a\\b':\n"),
    "a name with a colon": _ecm("  ecm:\n", "  'C:ecm':\n"),
    "a name that is two dots": _ecm("  ecm:\n", "  '..':\n"),
    "a name of 300 characters": _ecm("  ecm:\n", f"  {'a' * 300}:\n"),
    "a name with a letter that looks Latin": _ecm("  ecm:\n", "  \u0435cm:\n"),
    "a name with a blank at its end": _ecm("  ecm:\n", "  'ecm ':\n"),
    "a title of a thousand characters": _ecm("name: test", f"name: {'a' * 1000}"),
    "a message with an escape code": _prompt('"\\e]0;owned\\a\\e[2J"'),
    "a message with a carriage return": _prompt('"all is well\\rheat now"'),
    "a message of 64 kB": _prompt("x" * 60_000),
    "a message that is a block": _prompt("{message: {message: x}}"),
    "a number": "5",
    "many unknown keys": "".join(f"key{i}: 1\n" for i in range(2400)),
    "many unknown names": with_steps("  - acquire: emc\n" * 1600),
    "many wrong units": with_steps("  - ramp: {to: 5 nm, rate: 3}\n" * 700),
    "long blanks in a quantity": _to('"1' + " " * 50_000 + '1"'),
    "a long key": PROTOCOL + "k" * 50_000 + ": 1\n",
    "sections of the wrong kind": "acquisitions: [1]\nsequences: 5\nsteps: {acquire: x}\n",
    "repetitions of nothing": with_steps("  - for_each: {n: [], steps: []}\n" * 400),
    "names that are blocks": with_steps("  - acquire: {a: 1}\n  - hold: {for: [1]}\n  - acquire: []\n"),
    "another version": _ecm("schema_version: 1", "schema_version: 2"),
    "a version that is a text": _ecm("schema_version: 1", 'schema_version: "1"'),
    "a prototype": _ecm("name: test", "name: test\n__proto__: {x: 1}\n__class__: y"),
}
"""YAML, but not an experiment."""

RIGS: dict[str, str | bytes] = {
    "a driver with a path": changed(RIG, "holder: {driver: simulated}", "holder: {driver: ../../evil}"),
    "a driver that is a module": changed(RIG, "holder: {driver: simulated}", "holder: {driver: os.system}"),
    "a Python driver": changed(RIG, "holder: {driver: simulated}", "holder: !!python/object:os.system {}"),
    "a host": RIG + "host: 0.0.0.0\n",
    "an endpoint": RIG + "endpoint: tcp://192.168.1.2:5555\n",
    "a camera of 1e9 pixels": changed(RIG, "[64, 96]", "[1000000000, 1]"),
    "a camera of no pixels": changed(RIG, "[64, 96]", "[0, 0]"),
    "a camera of one side": changed(RIG, "[64, 96]", "[64]"),
    "a matrix of NaN": changed(RIG, "[[1, 0], [0, 1]]", "[[.nan, 0], [0, .nan]]"),
    "a matrix beyond floats": changed(RIG, "[[1, 0], [0, 1]]", "[[1e308, 1e308], [1e308, 1e308]]"),
    "a singular matrix": changed(RIG, "[[1, 0], [0, 1]]", "[[0, 0], [0, 0]]"),
    "an envelope below absolute zero": changed(
        RIG, "max_temperature: 500 degC", "max_temperature: -500 degC"
    ),
    "a negative gain": changed(RIG, "gain: 10 counts/e", "gain: -10 counts/e"),
    "a rig with a path for a name": changed(RIG, "name: bench", "name: ../bench"),
    "a rig with a NUL byte": changed(RIG, "name: bench", "name: be\x00nch"),
    "an empty rig": b"",
    "a rig in UTF-16": RIG.encode("utf-16"),
    "a rig of anchors": changed(RIG, "name: bench", "name: &a bench"),
    "a protocol for a rig": PROTOCOL,
}
"""What stands where a rig should stand."""

LEFT_ALONE = {
    "markup of the terminal": "[bold red]x[/bold red] [/] [link=file:///etc]",
    "HTML": "<script>alert(1)</script><img src=x>",
    "a format": "{0} {name} %s %n ${HOME}",
    "a template": "{{ 7 * 7 }} {% raw %}",
    "a shell": "$(reboot) `reboot`; reboot",
    "a path": "../../../etc/passwd",
    "a device of Windows": "CON: NUL.txt",
    "a spreadsheet": "=cmd|' /C calc'!A0",
}
"""Names and messages that are good, whatever other programs would do with them."""
