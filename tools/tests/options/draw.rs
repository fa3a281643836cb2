//! `ontrace draw`: pictures are well-formed, complete, the same every time, and run nothing that a model says.

use super::program::{Folder, data};
use ontrace::onnx::Model;
use ontrace::{DType, Example, Tensor, cond, module, record};
use std::collections::BTreeSet;

/// Names that would be markup, escapes or another order of letters where they are not escaped.
const HOSTILE: [&str; 7] = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "'/><foreignObject onload=alert(3)>&lt;&#x41;",
    "a\u{202e}gpj.exe\u{2066}",
    "\"]; n0 -> n0 [URL=\"javascript:alert(4)\"]; x [label=\"\\N\\",
    "]]><!-- {{data}} --\u{1b}[2J\u{0}\n<b>",
    "${alert(5)}`\u{feff}\u{ffff}",
];

/// A model with a residual connection, whose nodes have these names.
fn model(names: &[&str]) -> Model {
    let module = module::from_fn(|x: Tensor| {
        let a = x.relu()?;
        let b = a.matmul(&Tensor::ones([3, 3], DType::F32)?)?;
        let c = (&a + &b)?;
        let d = c.tanh()?;
        let e = (&d * &a)?;
        let f = e.exp()?;
        (&f - &d)?.sigmoid()
    });
    let traced = record(&module, Example::new().input("x", &Tensor::zeros([2, 3], DType::F32).unwrap())).unwrap();
    let mut model = traced.to_model().unwrap();
    let graph = model.proto.graph.as_mut().unwrap();
    for (i, node) in graph.node.iter_mut().enumerate() {
        if let Some(name) = names.get(i) {
            node.name = name.to_string();
        }
    }
    model
}

/// The model with the names also as those of values and scopes, in attributes and in metadata.
fn hostile() -> Model {
    let mut model = model(&HOSTILE);
    let graph = model.proto.graph.as_mut().unwrap();
    let rename = |name: &mut String| match name.as_str() {
        "" => {}
        old => *name = format!("{}{old}", HOSTILE[old.len() % HOSTILE.len()]),
    };
    for node in &mut graph.node {
        node.input.iter_mut().chain(&mut node.output).for_each(rename);
        let (name, metadata) = (node.name.clone(), &mut node.metadata_props);
        metadata.clear();
        for (key, value) in [("ontrace.scope", format!("{0}.{0}", name.replace('.', ""))), ("ontrace.line", name)] {
            metadata.push(ontrace::onnx::proto::StringStringEntryProto { key: key.to_string(), value });
        }
    }
    graph.value_info.clear();
    graph.input.iter_mut().chain(&mut graph.output).for_each(|info| rename(&mut info.name));
    model.initializers.iter_mut().for_each(|(name, _)| rename(name));
    model
}

/// The names of the elements of XML, in order; every tag is closed, every attribute quoted and unlike the others, every entity known.
fn elements(xml: &str) -> Vec<String> {
    let (mut open, mut all, mut rest) = (Vec::new(), Vec::new(), xml.trim());
    let entities = |text: &str| {
        for after in text.split('&').skip(1) {
            let entity = after.split(';').next().unwrap();
            assert!(["amp", "lt", "gt", "quot", "#39"].contains(&entity), "&{entity};");
        }
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{ffff}'), "{text:?}");
    };
    while let Some(at) = rest.find('<') {
        entities(&rest[..at]);
        let end = rest.find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "</{name}>");
            continue;
        }
        let (body, is_closed) = tag.strip_suffix('/').map_or((tag, false), |body| (body, true));
        let (name, mut attributes) = body.split_once(' ').unwrap_or((body, ""));
        let mut seen = BTreeSet::new();
        while !attributes.trim().is_empty() {
            let (key, value) = attributes.trim().split_once("=\"").expect("a quoted attribute");
            let (value, after) = value.split_once('"').expect("a closed quote");
            assert!(seen.insert(key) && !key.contains([' ', '"', '<']) && !key.starts_with("on"), "{tag}");
            entities(value);
            attributes = after;
        }
        all.push(name.to_string());
        if !is_closed {
            open.push(name.to_string());
        }
        assert!(!open.is_empty(), "nothing follows the root");
    }
    assert!(open.is_empty() && rest.is_empty(), "{open:?}");
    all
}

fn read(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path(name)).unwrap()
}

#[test]
fn every_node_is_in_the_picture_once_in_every_format() {
    let folder = Folder::new();
    folder.save("m.onnx", model(&[]), |_| {});
    for output in ["m.svg", "m.html", "m.dot"] {
        let said = folder.run(&["--json", "draw", "m.onnx", "-o", output]).exits(0).text();
        let value: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (value["schema"].as_str(), value["nodes"].as_u64(), value["boxes"].as_u64()),
            (Some("ontrace.draw/1"), Some(8), Some(10))
        );
    }
    let svg = read(&folder, "m.svg");
    let found = elements(&svg);
    assert_eq!(found.iter().filter(|name| *name == "g").count(), 1 + 10);
    let dot = read(&folder, "m.dot");
    for (i, operator) in ["x", "Relu", "MatMul", "Add", "Tanh", "Mul", "Exp", "Sub", "Sigmoid"].into_iter().enumerate() {
        assert_eq!(svg.matches(&format!("text-anchor=\"middle\">{operator}</text>")).count(), 1, "{operator}");
        assert_eq!(dot.matches(&format!("n{i} [label=\"{operator}\\n")).count(), 1, "{operator}");
    }
    assert!(svg.contains("f32[3,3]") && svg.contains("→ f32[2,3]"));
    // relu feeds the product, the sum and the multiplication.
    assert_eq!(dot.matches("n1 -> ").count(), 3);
}

#[test]
fn a_picture_is_the_same_bytes_every_time() {
    let folder = Folder::new();
    let read = |name: &str| std::fs::read(folder.path(name)).unwrap();
    for extension in ["svg", "png", "html", "dot"] {
        for name in ["a", "b"] {
            folder.run(&["draw", &data("resnet_tiny.pt"), "-o", &format!("{name}.{extension}")]).exits(0);
        }
        assert!(read(&format!("a.{extension}")) == read(&format!("b.{extension}")), "{extension}");
    }
}

/// The width, the height and the pixels of a PNG file.
fn pixels(folder: &Folder, name: &str) -> (usize, usize, Vec<[u8; 3]>) {
    let file = std::io::BufReader::new(std::fs::File::open(folder.path(name)).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    (info.width as usize, info.height as usize, bytes.as_chunks().0.to_vec())
}

#[test]
fn a_png_picture_has_the_boxes_of_the_svg_picture_in_their_colours() {
    let folder = Folder::new();
    folder.save("m.onnx", model(&HOSTILE), |_| {});
    for output in ["m.svg", "m.png"] {
        folder.run(&["draw", "m.onnx", "-o", output]).exits(0);
    }
    let svg = read(&folder, "m.svg");
    let (width, height, pixels) = pixels(&folder, "m.png");
    // Two pixels for each of SVG's.
    assert!(svg.contains(&format!("viewBox=\"0 0 {} {}\"", width / 2, height / 2)), "{width} {height}");
    let between = |text: &str, start: &str, end: &str| text.split_once(start).unwrap().1.split_once(end).unwrap().0.to_string();
    let values = |text: &str| text.split(' ').map(|number| number.parse::<f64>().unwrap()).collect::<Vec<_>>();
    let mut groups = svg.split("<g ");
    let origin = values(&between(groups.by_ref().nth(1).unwrap(), "translate(", ")"));
    let mut count = 0;
    for group in groups {
        let corner = values(&between(group, "translate(", ")"));
        // Left of the header's text, below the round corner.
        let (x, y) = (origin[0] + corner[0] + 4.0, origin[1] + corner[1] + 20.0);
        let [r, g, b] = pixels[(2.0 * y) as usize * width + (2.0 * x) as usize];
        let color = between(group.split_once("class=\"header\"").unwrap().0.rsplit_once("z\"").unwrap().1, "fill=\"", "\"");
        assert_eq!(format!("#{r:02x}{g:02x}{b:02x}"), color, "{group}");
        count += 1;
    }
    assert_eq!(count, 10);
    // Headers have white text on dark ground, and both are smooth: there are shades between.
    let shades: BTreeSet<[u8; 3]> = pixels.iter().copied().collect();
    assert!(shades.contains(&[0xff; 3]) && shades.len() > 500, "{}", shades.len());
}

#[test]
fn names_are_text_and_nothing_else() {
    let folder = Folder::new();
    folder.save("m.onnx", hostile(), |_| {});
    for output in ["m.svg", "m.html", "m.dot", "folded.svg"] {
        let depth: &[&str] = if output == "folded.svg" { &["--depth", "1"] } else { &[] };
        folder.run(&[&["draw", "m.onnx", "-o", output], depth].concat()).exits(0);
        let picture = read(&folder, output);
        assert!(!picture.contains(['\u{202e}', '\u{2066}', '\u{feff}', '\u{1b}', '\u{0}']), "{output}");
    }
    let known = ["svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"];
    assert!(elements(&read(&folder, "m.svg")).iter().all(|name| known.contains(&name.as_str())));
    assert!(read(&folder, "m.svg").contains("\\u{202e}gpj.exe"));
    let html = read(&folder, "m.html");
    assert_eq!((html.matches("<script").count(), html.matches("</script").count(), html.matches("<img").count()), (2, 2, 0));
    assert!(html.contains("\\u003c/script\\u003e\\u003cscript\\u003ealert(1)"));
    // Outside of quotes there is only what a graph consists of.
    let (mut outside, mut is_quoted, mut is_escaped) = (String::new(), false, false);
    for c in read(&folder, "m.dot").chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if !is_quoted => outside.push(c),
            _ => {}
        }
    }
    assert!(!is_quoted && !outside.contains("URL") && !outside.contains("alert") && outside.trim_end().ends_with('}'), "{outside}");
}

#[test]
fn an_html_picture_refers_to_nothing_outside() {
    let folder = Folder::new();
    folder.run(&["draw", &data("mlp.pt"), "-o", "m.html", "--color", "size"]).exits(0);
    let html = read(&folder, "m.html");
    assert!(html.contains("default-src 'none'") && html.contains("script-src 'sha256-"));
    for reference in ["src=", "href=", "@import", "fetch(", "import(", "url(http", "<link"] {
        assert!(!html.contains(reference), "{reference}");
    }
}

#[test]
fn scopes_are_folded_and_neighbourhoods_cut_out() {
    let folder = Folder::new();
    folder.run(&["draw", &data("resnet_tiny.pt"), "-o", "all.svg"]).exits(0);
    let whole = read(&folder, "all.svg").matches("<g id=").count();
    let folded = folder.run(&["--json", "draw", &data("resnet_tiny.pt"), "-o", "m.svg", "--depth", "1"]).exits(0).text();
    let value: serde_json::Value = serde_json::from_str(&folded).unwrap();
    assert!(value["boxes"].as_u64().unwrap() < whole as u64 && value["nodes"].as_u64().unwrap() > 20, "{folded}");
    assert!(read(&folder, "m.svg").contains("class=\"scope\""));
    folder.run(&["draw", &data("resnet_tiny.pt"), "-o", "m.dot", "--depth", "0"]).exits(0);
    assert_eq!(read(&folder, "m.dot").matches(" -> ").count(), 2);

    folder.save("m.onnx", model(&["relu", "product", "sum", "tanh"]), |_| {});
    folder.run(&["draw", "m.onnx", "-o", "part.dot", "--around", "product", "--hops", "1", "--highlight", "product"]).exits(0);
    let part = read(&folder, "part.dot");
    assert_eq!(
        (part.matches("label=\"Relu").count(), part.matches("label=\"MatMul").count(), part.matches("label=\"Tanh").count()),
        (1, 1, 0)
    );
    assert_eq!(part.matches("penwidth").count(), 1);
}

#[test]
fn the_nodes_of_branches_loops_and_functions_are_there_too() {
    let folder = Folder::new();
    let module =
        module::from_fn(|x: Tensor| Ok(cond(&x.sum(.., false)?.gt(0.0)?, || Ok(vec![x.exp()?]), || Ok(vec![x.neg()?]))?.remove(0)));
    let traced = record(&module, Example::new().input("x", &Tensor::zeros([3], DType::F32).unwrap())).unwrap();
    folder.save("if.onnx", traced.to_model().unwrap(), |_| {});
    folder.run(&["draw", "if.onnx", "-o", "if.dot"]).exits(0);
    let dot = read(&folder, "if.dot");
    for operator in ["If", "Exp", "Neg"] {
        assert_eq!(
            dot.matches(&format!("[label=\"{operator}\\n")).count() + dot.matches(&format!("[label=\"{operator}\"")).count(),
            1,
            "{operator}"
        );
    }
    folder.run(&["draw", &data("while_loop.pt2"), "-o", "loop.svg"]).exits(0);
    assert!(read(&folder, "loop.svg").contains(">Loop</text>"));

    folder.run(&["convert", &data("resnet_tiny.pt"), "-o", "calls.onnx", "--functions"]).exits(0);
    folder.run(&["draw", "calls.onnx", "-o", "calls.svg"]).exits(0);
    folder.run(&["draw", &data("resnet_tiny.pt"), "-o", "flat.svg"]).exits(0);
    let nodes = |name: &str| read(&folder, name).matches("class=\"node\"").count();
    assert_eq!(nodes("calls.svg"), nodes("flat.svg"));
}

#[test]
fn shapes_that_a_file_does_not_declare_are_inferred() {
    let folder = Folder::new();
    folder.save("m.onnx", model(&[]), |model| model.proto.graph.as_mut().unwrap().value_info.clear());
    folder.run(&["draw", "m.onnx", "-o", "m.svg"]).exits(0);
    assert_eq!(read(&folder, "m.svg").matches("→ f32[2,3]</text>").count(), 8);
}

#[test]
fn measured_times_are_colours() {
    let folder = Folder::new();
    let model = data("resnet_tiny.pt");
    let bench = folder.run(&["--json", "bench", &model, "--runs", "2", "--by", "node"]).exits(0).text();
    std::fs::write(folder.path("bench.json"), bench).unwrap();
    folder.run(&["draw", &model, "-o", "m.svg", "--color", "time", "--times", "bench.json"]).exits(0).says(&["of 30 nodes have a time"]);
    let svg = read(&folder, "m.svg");
    // In the legend, and as the header of the slowest node.
    assert!(svg.contains(" ms</text>") && svg.matches("#b22020").count() == 2, "{}", svg.matches("#b22020").count());
    std::fs::write(folder.path("scopes.json"), r#"{"models": [{"time": {"by": "scope", "rows": []}}]}"#).unwrap();
    folder.run(&["draw", &model, "-o", "n.svg", "--times", "scopes.json"]).exits(2).says(&["--by node --json"]);
}

#[test]
fn what_has_no_picture_is_a_usage_error_with_help() {
    let folder = Folder::new();
    folder.save("m.onnx", model(&["relu", "product"]), |_| {});
    std::fs::write(folder.path("other.json"), "{}").unwrap();
    for (arguments, says) in [
        (vec!["-o", "m.jpg"], "magick m.png m.jpg"),
        (vec!["-o", "m.pdf"], "rsvg-convert m.svg -f pdf -o m.pdf"),
        (vec!["-o", "m.xyz"], "unknown picture format"),
        (vec!["-o", "m"], "unknown picture format"),
        (vec!["-o", "m.svg", "--around", "prodct"], "did you mean `product`?"),
        (vec!["-o", "m.svg", "--highlight", "nothing like it"], "no node, value or scope"),
        (vec!["-o", "m.svg", "--hops", "3"], "--around"),
        (vec!["-o", "m.svg", "--color", "time"], "ontrace bench"),
        (vec!["-o", "m.svg", "--color", "time", "--times", "other.json"], "no times by node"),
        (vec!["-o", "m.svg", "--color", "blue"], "possible values"),
        (vec![], "--output"),
    ] {
        folder.run(&[&["draw", "m.onnx"], &arguments[..]].concat()).exits(2).says(&[says]);
        assert!(!folder.path("m.svg").exists() && !folder.path("m.png").exists(), "{arguments:?}");
    }
}

#[test]
fn nodes_are_coloured_by_their_distance_from_another_model() {
    let folder = Folder::new();
    let (model, ported) = (data("resnet_tiny.pt"), data("resnet_ported.onnx"));
    let compared = folder.run(&["compare", &model, &ported, "--json"]);
    let compared = compared.exits(3).stderr;
    let value: serde_json::Value = serde_json::from_str(&compared).unwrap();
    std::fs::write(folder.path("compare.json"), compared).unwrap();
    let nodes = value["node_differences"]["second"].as_array().unwrap();
    let first = nodes.iter().find(|node| node["difference"].as_f64().is_some_and(|x| x > 1.0)).unwrap();
    assert_eq!((nodes.len(), first["line"].as_str()), (31, Some("batchnormalization_17")), "{value}");
    // The ported file has a global pooling as two means: the first gives a value that the other model does not have.
    for (file, picture, count) in [(&model, "a.svg", "30 of 30"), (&ported, "b.svg", "30 of 31"), (&ported, "b.html", "30 of 31")] {
        let options = ["--color", "difference", "--differences", "compare.json"];
        let ran = folder.run(&[&["draw", file, "-o", picture], &options[..]].concat()).exits(0);
        assert!(ran.stderr.contains(&format!("{count} nodes have a difference")), "{picture}: {}", ran.stderr);
    }
    let drawing = std::fs::read_to_string(folder.path("b.svg")).unwrap();
    assert!(drawing.contains("at the limit of rounding"));
    folder.run(&["draw", &ported, "-o", "c.svg", "--color", "difference"]).exits(2).says(&["ontrace compare A B --json 2> compare.json"]);
    folder.run(&["draw", &data("mlp.pt"), "-o", "c.svg", "--differences", "compare.json"]).exits(2).says(&["neither of the models"]);
}
