"""Commands over an index on a server."""

from __future__ import annotations

from tests.small_models import saved, trained, tuned


def test_the_commands_take_an_address(on_server, run, tmp_path):
    address = str(on_server.address())
    files = [
        saved(weights, tmp_path / f"{name}.safetensors")
        for name, weights in (("base", trained(1)), ("other", trained(3)))
    ]
    assert run("ingest", *files, "--index", address).code == 0
    listed = run("list", "--index", address, "--no-reference").out
    assert "base" in listed
    assert "own" in listed
    answered = run(
        "whois", saved(tuned(trained(1), 2), tmp_path / "child.safetensors"), "--index", address, "--no-reference"
    )
    assert answered.code == 0
    assert "base" in answered.out
    assert run("remove", "other", "--index", address).code == 0
    assert "other" not in run("list", "--index", address, "--no-reference").out
