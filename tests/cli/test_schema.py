from __future__ import annotations

import json

from gate.config.schema import render_schema


def test_it_prints_the_schema(run):
    result = run("schema")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == render_schema()
    assert json.loads(result.stdout)["required"] == ["origins", "applications"]
