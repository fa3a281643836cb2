//! Compiles the ONNX schema without protoc: into prost's structs, and into the table that the scanner of untrusted files walks by.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto/onnx.proto");
    let schema = protox::compile(["proto/onnx.proto"], ["proto"])?;

    let mut messages = Vec::new();
    for file in &schema.file {
        collect(".onnx.", "", &file.message_type, &mut messages);
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("schema.rs"), table(&messages))?;

    let mut config = prost_build::Config::new();
    // `Bytes` instead of vectors: the weights of a mapped file stay slices of it.
    config.bytes(["."]);
    // Most attributes are a number or two: what is large and rare lives behind a pointer (300 bytes each instead of 1,600).
    for field in ["t", "g", "sparse_tensor", "tp"] {
        config.boxed(format!(".onnx.AttributeProto.{field}"));
    }
    config.compile_fds(schema)?;
    Ok(())
}

/// A message: its full name in the schema, its path in Rust, and what it consists of.
type Message<'a> = (String, String, &'a DescriptorProto);

/// Messages and, behind each, those declared inside it.
fn collect<'a>(scope: &str, module: &str, declared: &'a [DescriptorProto], messages: &mut Vec<Message<'a>>) {
    for message in declared {
        let name = message.name();
        messages.push((format!("{scope}{name}"), format!("{module}{name}"), message));
        collect(&format!("{scope}{name}."), &format!("{module}{}::", snake(name)), &message.nested_type, messages);
    }
}

/// `TypeProto` is the module `type_proto` to prost.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The Rust source of the table.
fn table(messages: &[Message]) -> String {
    let mut source = String::from("static MESSAGES: &[Message] = &[\n");
    for (_, path, message) in messages {
        let _ = writeln!(source, "    Message {{ name: {:?}, size: size_of::<super::proto::{path}>(), fields: &[", message.name());
        for field in &message.field {
            let (name, number, repeated) = (field.name(), field.number(), field.label() == Label::Repeated);
            let kind = kind(field, messages);
            let _ =
                writeln!(source, "        Field {{ name: {name:?}, number: {number}, kind: FieldKind::{kind}, repeated: {repeated} }},");
        }
        source.push_str("    ] },\n");
    }
    let root = messages.iter().position(|message| message.0 == ".onnx.ModelProto").unwrap_or_default();
    let most = messages.iter().map(|message| message.2.field.len()).max().unwrap_or_default();
    let _ = writeln!(source, "];\n/// Where ModelProto stands in the table.\nconst ROOT: usize = {root};");
    let _ = writeln!(source, "/// The fields of the message that has most.\nconst MOST_FIELDS: usize = {most};");
    source
}

/// How a field stands on the wire, and what prost makes of an element.
fn kind(field: &FieldDescriptorProto, messages: &[Message]) -> String {
    match field.r#type() {
        Type::String => "Text".into(),
        Type::Bytes => "Bytes".into(),
        Type::Message => format!("Message({})", messages.iter().position(|message| message.0 == field.type_name()).unwrap_or_default()),
        Type::Float => "Fixed(4)".into(),
        Type::Double => "Fixed(8)".into(),
        Type::Int64 | Type::Uint64 => "Varint(8)".into(),
        Type::Int32 | Type::Enum => "Varint(4)".into(),
        other => panic!("{}: the scanner does not know fields of type {other:?}", field.name()),
    }
}
