"""Checks licences, sources and versions of all dependencies against deny.toml, without the network.

usage: cargo metadata --format-version 1 --locked --filter-platform TARGET | python dependencies.py

`cargo deny check licenses bans sources` does the same and more; it takes longer to build than everything else here.
"""

import collections
import json
import pathlib
import re
import sys
import tomllib


def satisfied(expression, allowed):
    """Whether the licences of an SPDX expression that must be accepted are allowed: `A OR B AND (C OR D)`, with `/` for OR in old manifests."""
    tokens = re.findall(r"\(|\)|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", expression.replace("/", " OR "))

    def term():
        token = tokens.pop(0)
        if token != "(":
            return token in allowed
        value = either()
        tokens.pop(0)
        return value

    def both():
        value = term()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = term() and value
        return value

    def either():
        value = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            value = both() or value
        return value

    return either()


def is_skipped(name, version, skip):
    wanted = (row["crate"].split("@") for row in skip)
    return any(name == crate and (version + ".").startswith(start + ".") for crate, start in wanted)


def main():
    rules = tomllib.loads(pathlib.Path("deny.toml").read_text())
    metadata = json.load(sys.stdin)
    used = {node["id"] for node in metadata["resolve"]["nodes"]}
    packages = [package for package in metadata["packages"] if package["id"] in used]
    allowed, registries, skip = set(rules["licenses"]["allow"]), rules["sources"]["allow-registry"], rules["bans"]["skip"]
    problems, versions, expressions = [], collections.defaultdict(set), collections.Counter()
    for package in packages:
        what = f"{package['name']} {package['version']}"
        licence, source = package["license"], package["source"]
        expressions[licence] += 1
        if not licence or not satisfied(licence, allowed):
            problems.append(f"{what}: the licence {licence} is not allowed")
        if source is not None and source.removeprefix("registry+") not in registries:
            problems.append(f"{what}: the source {source} is not allowed")
        versions[package["name"]].add(package["version"])
        problems += [f"{what}: any version of {need['name']}" for need in package["dependencies"] if source is None and need["req"] == "*" and not need["path"]]
    for name, found in versions.items():
        extra = {version for version in found if not is_skipped(name, version, skip)}
        if len(extra) > 1:
            problems.append(f"{name}: in the versions {', '.join(sorted(extra))}")
    for row in skip:
        name = row["crate"].split("@")[0]
        if not any(is_skipped(name, version, [row]) for version in versions[name]) or len(versions[name]) < 2:
            problems.append(f"deny.toml skips {row['crate']}, which is no second version of anything")
    print(f"{len(packages)} packages, {len(expressions)} licence expressions, {len(problems)} problems")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
