//! Diagrams as one HTML file that needs no network: the viewer, and the graph as JSON.
//!
//! No name in a model becomes markup: the graph is data that the viewer reads and puts into text nodes, and a content security policy lets only the viewer's
//! own script run, by its hash.

use super::color::{Coloring, Colors};
use super::diagram::{Block, Diagram, Kind, Operand};
use super::layout::layout;
use super::scene::{boxes, size};
use super::text::{visible, xml};
use super::values::{Constants, Distribution};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};

const TEMPLATE: &str = include_str!("viewer.html");
const STYLE: &str = include_str!("viewer.css");
const SCRIPT: &str = include_str!("viewer.js");

/// What the viewer shows when it opens.
pub struct Opening<'a> {
    /// The name of the file.
    pub title: &'a str,
    /// The depth beyond which scopes are folded; `None` for none.
    pub depth: Option<usize>,
    /// What colours mean.
    pub coloring: Coloring,
    /// Whether times were given.
    pub has_times: bool,
    /// Whether nodes have distances from another model.
    pub has_differences: bool,
    /// Blocks that stand out.
    pub highlighted: &'a BTreeSet<usize>,
}

/// A diagram as HTML.
pub fn html(diagram: &Diagram, constants: &Constants, opening: &Opening) -> String {
    let data = data(diagram, constants, opening).to_string();
    // `</script>` and `<!--` would end the element or change how it ends.
    let data = data.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let parts = [
        ("{{title}}", xml(opening.title)),
        ("{{script-hash}}", integrity(SCRIPT)),
        ("{{style-hash}}", integrity(STYLE)),
        ("{{style}}", STYLE.to_string()),
        ("{{script}}", SCRIPT.to_string()),
        ("{{data}}", data),
    ];
    // One pass: what is put in is not searched for what comes after it.
    let (mut out, mut rest) = (String::new(), TEMPLATE);
    while let Some((at, (mark, text))) = parts.iter().filter_map(|part| Some((rest.find(part.0)?, part))).min_by_key(|found| found.0) {
        out.push_str(&rest[..at]);
        out.push_str(text);
        rest = &rest[at + mark.len()..];
    }
    out + rest
}

/// The SHA-256 of an inline script or style, as a content security policy has it.
fn integrity(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::from("sha256-");
    for group in Sha256::digest(text).chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]);
            out.push(if i <= group.len() { digit } else { '=' });
        }
    }
    out
}

fn data(diagram: &Diagram, constants: &Constants, opening: &Opening) -> Value {
    let scopes = diagram.scopes();
    let index: HashMap<&str, usize> = scopes.iter().enumerate().map(|(i, scope)| (scope.0.as_str(), i)).collect();
    let modules: Vec<Block> = scopes
        .iter()
        .map(|(path, members)| {
            let members: Vec<&Block> = members.iter().map(|&i| &diagram.blocks[i]).collect();
            let outer = members.first().map_or(&[][..], |member| {
                let depth = member.scopes.iter().position(|scope| scope == path).unwrap_or(0);
                &member.scopes[..depth]
            });
            Block::scope(path, outer, &members)
        })
        .collect();
    let mut colorings = vec![Coloring::Operator, Coloring::Size, Coloring::None];
    if opening.has_times {
        colorings.insert(2, Coloring::Time);
    }
    if opening.has_differences {
        colorings.insert(2, Coloring::Difference);
    }
    let colors: Vec<Colors> = colorings.iter().map(|&coloring| Colors::new(coloring, diagram.blocks.iter())).collect();
    // Positions from left to right for the order of boxes; the viewer finds its own for what is folded.
    let faces: Vec<_> = diagram.blocks.iter().map(Block::face).collect();
    let centers = layout(&boxes(diagram, &faces)).centers;
    let parent = |block: &Block| block.scopes.last().and_then(|scope| index.get(scope.as_str())).map_or(-1, |&i| i as i64);
    let block = |block: &Block| {
        let (face, kind) = (block.face(), kind(block.kind));
        let (width, height) = size(&face);
        let color: Vec<String> = colors.iter().map(|colors| colors.of(block)).collect();
        json!({
            "kind": kind, "operator": visible(&block.operator), "name": visible(&block.name), "scope": parent(block), "line": visible(&block.line),
            "attributes": block.attributes.iter().map(|(name, value)| [visible(name), visible(value)]).collect::<Vec<_>>(),
            "inputs": block.inputs.iter().map(operand).collect::<Vec<_>>(),
            "outputs": block.outputs.iter().map(operand).collect::<Vec<_>>(),
            "header": face.header, "rows": face.rows, "width": width, "height": height, "color": color,
            "bytes": block.bytes, "operators": block.operators, "seconds": block.seconds, "difference": block.difference,
        })
    };
    let with_x = |(i, own): (usize, &Block)| {
        let mut value = block(own);
        value["x"] = json!(centers[i].0.round());
        value
    };
    json!({
        "title": visible(opening.title),
        "blocks": diagram.blocks.iter().enumerate().map(with_x).collect::<Vec<_>>(),
        "scopes": modules.iter().map(block).collect::<Vec<_>>(),
        "edges": diagram.edges.iter().map(|edge| json!([edge.from, edge.to, visible(&edge.value), visible(&edge.ty)])).collect::<Vec<_>>(),
        "constants": constants.all().iter().map(|constant| {
            json!({"name": visible(&constant.name), "type": visible(&constant.ty), "bytes": constant.bytes,
                "distribution": constant.array.as_ref().and_then(Distribution::of).map(distribution)})
        }).collect::<Vec<_>>(),
        "colorings": colorings.iter().zip(&colors).map(|(coloring, colors)| {
            json!({"name": format!("{coloring:?}").to_lowercase(), "legend": colors.legend(diagram.blocks.iter())})
        }).collect::<Vec<_>>(),
        "coloring": colorings.iter().position(|&coloring| coloring == opening.coloring).unwrap_or(0),
        "depth": opening.depth,
        "highlighted": opening.highlighted,
    })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Input => "input",
        Kind::Output => "output",
        Kind::Operator => "node",
        Kind::Scope => "scope",
    }
}

fn operand(operand: &Operand) -> Value {
    json!([visible(&operand.name), visible(&operand.ty), operand.constant])
}

fn distribution(distribution: Distribution) -> Value {
    json!({
        "elements": distribution.elements, "sampled": distribution.sampled, "range": distribution.range, "not_finite": distribution.not_finite,
        "bars": distribution.bars, "values": distribution.values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_a_content_security_policy() {
        // printf 'alert(1)' | openssl dgst -sha256 -binary | base64
        assert_eq!(integrity("alert(1)"), "sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=");
    }

    #[test]
    fn the_viewer_refers_to_nothing_outside() {
        for text in [TEMPLATE, STYLE, SCRIPT] {
            let urls: Vec<&str> = text
                .match_indices("http")
                .map(|(at, _)| &text[at..])
                .filter(|rest| !rest.starts_with("http://www.w3.org/2000/svg") && !rest.starts_with("http-equiv"))
                .collect();
            assert!(
                urls.is_empty() && !text.contains("innerHTML") && text.replace("url(#arrow)", "").matches("url(").count() == 0,
                "{urls:?}"
            );
        }
    }
}
