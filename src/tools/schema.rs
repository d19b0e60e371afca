//! From a struct to the schema that the model sees: the doc comments and the fields, nothing else.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::seams::ToolSpec;

/// The declaration of a tool: its doc comment is the description.
pub(super) fn spec<T: JsonSchema>(name: &str) -> ToolSpec {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut input_schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    strip(&mut input_schema);
    let description = match input_schema.as_object_mut().and_then(|schema| schema.remove("description")) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    ToolSpec { name: name.to_owned(), description, input_schema }
}

/// Drops what says nothing to a model.
fn strip(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for noise in ["$schema", "title", "format", "default", "minimum"] {
                if object.get(noise).is_some_and(|value| noise != "title" || value.is_string()) {
                    object.shift_remove(noise);
                }
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    object.insert("type".into(), one);
                }
            }
            object.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// What a tool takes, in one line, for the answer to a call that could not be read.
pub(super) fn usage(spec: &ToolSpec) -> String {
    let required: Vec<&str> = spec.input_schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields: Vec<String> = spec.input_schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, field)| {
            let kind = field["type"].as_str().unwrap_or("string");
            format!("{name}{}: {kind}", if required.contains(&name.as_str()) { "" } else { "?" })
        })
        .collect();
    format!("{} takes {{{}}}", spec.name, fields.join(", "))
}
