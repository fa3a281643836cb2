"""Opens the HTML pictures of `ontrace draw` in a browser without a window, and works with them as a user does.

    python tools/reference/draw_browser.py target/debug/ontrace [FOLDER]

Needs Chromium (Debian's package `chromium`, or the path in CHROMIUM), playwright and onnx; without them it says so and ends with 0. Screenshots go into the
folder. Of a model with hostile names no script may run, and nothing may be asked from the network.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'/><svg onload=alert(3)>&lt;&#x41;",
    "a\u202egpj.exe\u2066",
    '"]; n0 -> n0 [URL="javascript:alert(4)"]; x [label="\\N\\',
    "]]><!-- {{data}} --\n<b>",
    "${alert(5)}`\u2028</title><base href=//evil>",
]


def hostile_model(path):
    from onnx import TensorProto, helper, save

    value, nodes = HOSTILE[0] + "in", []
    graph_input = helper.make_tensor_value_info(value, TensorProto.FLOAT, [2, 3])
    for i, name in enumerate(HOSTILE * 2):
        node = helper.make_node(["Relu", "Tanh", "LeakyRelu"][i % 3], [value], [f"{name}{i}"], name=f"{name}/{name}{i}")
        node.doc_string = name
        nodes.append(node)
        value = f"{name}{i}"
    nodes.append(helper.make_node(HOSTILE[1], [value], ["y"], name="custom", domain=HOSTILE[0], text=HOSTILE[2]))
    nodes[-1].metadata_props.add(key="ontrace.line", value=HOSTILE[6])
    graph = helper.make_graph(nodes, HOSTILE[1], [graph_input], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(HOSTILE[0], 1)]), path)


def large_model(path, count):
    """Blocks with two branches and a mask that all of them use, as in transformers."""
    from onnx import TensorProto, helper, save

    value, nodes = "x", []
    for i in range(count // 5):
        block = f"layers/layers.{i}"
        for operator, inputs, result in [
            ("MatMul", [value, value], "a"),
            ("Add", [f"{block}/a", "mask"], "b"),
            ("Softmax", [f"{block}/b"], "c"),
            ("MatMul", [f"{block}/c", value], "d"),
            ("Add", [f"{block}/d", value], "e"),
        ]:
            nodes.append(helper.make_node(operator, inputs, [f"{block}/{result}"], name=f"{block}/{result}/{operator}"))
        value = f"{block}/e"
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [8, 8]) for name in ("x", "mask")]
    graph = helper.make_graph(nodes, "large", inputs, [helper.make_tensor_value_info(value, TensorProto.FLOAT, [8, 8])])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)


def open_picture(browser, path, wrong):
    """The picture, opened; whatever it asks for, says or runs that it should not is added to `wrong`."""
    view = browser.new_page(viewport={"width": 1400, "height": 900})
    view.on("pageerror", lambda error: wrong.append(f"{path.name}: {error}"))
    view.on("console", lambda message: wrong.append(f"{path.name}: {message.text}") if message.type == "error" else None)
    view.on("dialog", lambda dialog: (wrong.append(f"{path.name}: a script ran: {dialog.message}"), dialog.dismiss()))
    view.on("request", lambda request: None if request.url == path.as_uri() else wrong.append(f"{path.name}: asks for {request.url}"))
    view.goto(path.as_uri())
    view.wait_for_selector("g.item")
    view.wait_for_timeout(200)
    return view


def boxes(view):
    return view.evaluate("graph.items.map((item) => item.block.name)")


def overlaps(view):
    """Pairs of boxes that lie over each other."""
    return view.evaluate("""() => {
        const found = [], items = graph.items;
        for (let i = 0; i < items.length; i++) for (let j = 0; j < i; j++) {
            const a = items[i], b = items[j];
            if (Math.abs(a.x - b.x) < (a.w + b.w) / 2 - 0.5 && Math.abs(a.y - b.y) < (a.h + b.h) / 2 - 0.5) found.push([a.block.name, b.block.name]);
        }
        return found;
    }""")


def ordinary(browser, program, folder, wrong):
    path = folder / "resnet_tiny.html"
    subprocess.run([program, "-q", "draw", ROOT / "tests/data/resnet_tiny.pt", "-o", path], check=True, stdout=subprocess.DEVNULL)
    view = open_picture(browser, path, wrong)
    whole = boxes(view)
    assert len(whole) == len(set(whole)) > 25, whole
    assert not overlaps(view), overlaps(view)[:3]

    convolution = view.locator('g.item[data-kind="node"]').first
    name = convolution.get_attribute("data-name")
    convolution.click()
    panel = view.locator("#panel").inner_text()
    for text in [name, "attributes", "inputs", "weight", "outputs", "f32["]:
        assert text in panel, (text, panel)
    assert view.locator("#panel .bars rect").count() > 10, "no histogram"
    assert view.locator("path.line.near").count() >= 2

    scope = view.locator("#panel button[data-scope]").first
    view.keyboard.press("Escape")
    view.locator("#canvas").focus()
    view.keyboard.press("Escape")
    scope = view.locator("#panel button[data-scope]").first
    folded = scope.get_attribute("data-scope")
    scope.click()
    fewer = boxes(view)
    assert folded in fewer and len(fewer) < len(whole), (folded, fewer)
    assert not overlaps(view)
    view.locator(f'#panel button[data-scope="{folded}"]').first.click()
    assert sorted(boxes(view)) == sorted(whole)
    view.select_option("#depth", "1")
    assert len(boxes(view)) < len(fewer)
    view.select_option("#depth", "")

    view.fill("#search", "relu")
    view.wait_for_timeout(100)
    count = sum("relu" in box.lower() for box in whole)
    assert view.locator("#matches").inner_text() == f"1 of {count}", (view.locator("#matches").inner_text(), count)
    view.press("#search", "Enter")
    assert view.locator("#matches").inner_text() == f"2 of {count}"
    assert view.locator("g.item.match").count() == 1
    view.screenshot(path=folder / "resnet_tiny.png")

    view.select_option("#coloring", label="size")
    assert "kB" in view.locator("#legend").inner_text()
    before = view.evaluate("view.scale")
    view.mouse.move(500, 400)
    view.mouse.wheel(0, -300)
    view.wait_for_timeout(100)
    assert view.evaluate("view.scale") > before
    left = view.evaluate("view.x")
    view.mouse.down()
    view.mouse.move(600, 450, steps=4)
    view.mouse.up()
    assert view.evaluate("view.x") > left + 50
    view.close()


def hostile(browser, program, folder, wrong):
    model, path = folder / "hostile.onnx", folder / "hostile.html"
    hostile_model(model)
    subprocess.run([program, "-q", "draw", model, "-o", path], check=True, stdout=subprocess.DEVNULL)
    view = open_picture(browser, path, wrong)
    for item in view.locator("g.item").all():
        item.dispatch_event("click")
    view.select_option("#depth", "1")
    view.fill("#search", "<script>")
    view.wait_for_timeout(200)
    assert view.locator("#matches").inner_text().startswith("1 of"), view.locator("#matches").inner_text()
    tags = view.evaluate("[...new Set([...document.querySelectorAll('*')].map((one) => one.tagName.toLowerCase()))]")
    assert not {"img", "iframe", "base", "b", "foreignobject"} & set(tags) and view.locator("script").count() == 2, tags
    assert "\u202e" not in view.content()
    view.screenshot(path=folder / "hostile.png")
    view.close()
    # The SVG by itself, as a browser shows it.
    subprocess.run([program, "-q", "draw", model, "-o", folder / "hostile.svg"], check=True, stdout=subprocess.DEVNULL)
    picture = browser.new_page()
    picture.on("dialog", lambda dialog: (wrong.append("hostile.svg: a script ran"), dialog.dismiss()))
    picture.goto((folder / "hostile.svg").as_uri())
    assert picture.evaluate("document.documentElement.tagName") == "svg" and picture.evaluate("document.querySelectorAll('parsererror').length") == 0
    assert picture.evaluate("document.querySelectorAll('g.node').length") == 15
    picture.close()


def large(browser, program, folder, wrong):
    model, path = folder / "large.onnx", folder / "large.html"
    large_model(model, 5000)
    started = time.time()
    subprocess.run([program, "-q", "draw", model, "-o", path], check=True, stdout=subprocess.DEVNULL)
    written = time.time()
    view = open_picture(browser, path, wrong)
    assert len(boxes(view)) == 5003
    print(f"5000 nodes: written in {written - started:.1f} s, shown in {time.time() - written:.1f} s")
    view.select_option("#depth", "2")
    assert len(boxes(view)) == 1003
    assert not overlaps(view)
    view.screenshot(path=folder / "large.png")
    view.close()


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if chromium is None:
        print("skipped: no chromium")
        return
    try:
        from playwright.sync_api import sync_playwright
        import onnx  # noqa: F401
    except ImportError as error:
        print(f"skipped: no {error.name}")
        return
    wrong = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for check in (ordinary, hostile, large):
            check(browser, program, folder, wrong)
            print(f"{check.__name__}: ok")
        browser.close()
    assert not wrong, wrong
    print(f"screenshots in {folder}")


main()
