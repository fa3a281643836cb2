//! The module that a node belongs to, as the exporter that wrote the file says it.

use super::SCOPE_KEY;
use super::proto::NodeProto;

/// The path of the module that a node belongs to: `layer4.1.relu`, or `layer4/layer4.1/relu` in files of torch's older exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModulePath {
    /// The path; empty for a node of the whole model.
    pub path: String,
    /// What stands between two modules of the path.
    pub separator: char,
}

impl ModulePath {
    /// The module of a node: what ontrace wrote, what `torch.onnx.export` wrote, or the folders of the node's name.
    pub fn of(node: &NodeProto) -> ModulePath {
        let (path, separator) = match (metadata(node, SCOPE_KEY), metadata(node, "pkg.torch.onnx.name_scopes")) {
            (Some(scope), _) => (scope.to_string(), '.'),
            (None, Some(list)) => (torch_scope(list), '.'),
            (None, None) => (node.name.rsplit_once('/').map_or("", |(folder, _)| folder).trim_start_matches('/').to_string(), '/'),
        };
        ModulePath { path, separator }
    }

    /// Whether the path is that of a module or of one inside it. In a path of folders each of which is a path, `layer4/layer4.1`, each counts.
    pub fn is_within(&self, module: &str) -> bool {
        let module = module.trim_start_matches('/');
        let is_below = self.path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with(self.separator));
        !module.is_empty() && (is_below || self.separator == '/' && self.path.split('/').any(|folder| folder == module))
    }

    /// The paths of the modules that contain the node, from the outermost, of which there may be 64.
    pub fn enclosing(&self) -> impl Iterator<Item = &str> {
        let path = &self.path;
        let ends = path.match_indices(self.separator).map(|(at, _)| at).chain((!path.is_empty()).then_some(path.len()));
        ends.filter(|&end| end > 0).take(64).map(|end| &path[..end])
    }
}

fn metadata<'a>(node: &'a NodeProto, key: &str) -> Option<&'a str> {
    node.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str()).filter(|value| !value.is_empty())
}

/// The module of a node in the list that torch.onnx.export writes, `['', 'layer1', 'layer1.0', 'add']`, whose last entry is the node.
fn torch_scope(list: &str) -> String {
    let entries: Vec<&str> = list.trim_matches(['[', ']']).split(", ").map(|entry| entry.trim_matches('\'')).collect();
    entries.iter().rev().nth(1).map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::StringStringEntryProto;

    fn node(name: &str, metadata: &[(&str, &str)]) -> NodeProto {
        let entry = |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
        NodeProto { name: name.into(), metadata_props: metadata.iter().map(entry).collect(), ..NodeProto::default() }
    }

    #[test]
    fn a_node_is_within_its_module_and_those_around_it() {
        let ours = ModulePath::of(&node("n", &[(SCOPE_KEY, "layer4.1.relu")]));
        let torch = ModulePath::of(&node("n", &[("pkg.torch.onnx.name_scopes", "['', 'layer4', 'layer4.1', 'layer4.1.relu', 'relu']")]));
        assert_eq!(ours, torch);
        assert_eq!(ours.enclosing().collect::<Vec<_>>(), ["layer4", "layer4.1", "layer4.1.relu"]);
        let is_within = |path: &ModulePath| {
            ["layer4", "layer4.1", "layer4.1.relu", "layer", "layer4.10", "relu", ""].map(|module| path.is_within(module))
        };
        assert_eq!(is_within(&ours), [true, true, true, false, false, false, false]);
        let older = ModulePath::of(&node("/layer4/layer4.1/relu/Relu", &[]));
        assert_eq!(is_within(&older), [true, true, false, false, false, true, false]);
        assert!(older.is_within("/layer4/layer4.1"));
    }
}
