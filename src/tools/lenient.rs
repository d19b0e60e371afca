//! What models write instead of what was asked for: numbers as strings, one object for a list, null for absent. The schema
//! stays strict; the reading is not.

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error};
use serde_json::{Map, Value};

use crate::path::{WsPath, roots::Roots};

/// The arguments as an object without nulls; `None` when they are no object.
pub(super) fn arguments(input: Value) -> Option<Map<String, Value>> {
    let mut object = match input {
        Value::Object(object) => object,
        Value::Null => Map::new(),
        Value::String(text) if text.trim().is_empty() => Map::new(),
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => object,
            _ => return None,
        },
        _ => return None,
    };
    object.retain(|_, value| !value.is_null());
    Some(object)
}

/// The fields that hold paths, under all their names.
const PATHS: [&str; 14] = [
    "path",
    "paths",
    "to",
    "from",
    "cwd",
    "workdir",
    "file",
    "filename",
    "file_path",
    "dir",
    "directory",
    "folder",
    "destination",
    "source",
];

/// Those of them that name a command's working folder.
const CWD: [&str; 3] = ["cwd", "workdir", "working_directory"];

/// Makes absolute paths below `folder` relative to it.
pub(super) fn relative(object: &mut Map<String, Value>, folder: &str) {
    let shorten = |value: &mut Value| {
        let rest =
            value.as_str().and_then(|path| path.strip_prefix(folder)).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if let Some(rest) = rest.filter(|_| !folder.is_empty()) {
            *value = Value::String(rest.trim_start_matches('/').to_owned());
        }
    };
    for (_, value) in object.iter_mut().filter(|(name, _)| PATHS.contains(&name.as_str())) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(shorten),
            one => shorten(one),
        }
    }
}

/// Makes absolute paths below a folder begin with its name.
pub(super) fn rooted(object: &mut Map<String, Value>, roots: &Roots) {
    let shorten = |value: &mut Value| {
        if let Some(named) = value.as_str().filter(|path| path.starts_with('/')).and_then(|path| roots.below(path)) {
            *value = Value::String(named);
        }
    };
    for (_, value) in object.iter_mut().filter(|(name, _)| PATHS.contains(&name.as_str())) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(shorten),
            one => shorten(one),
        }
    }
}

/// Takes the name of the task's own folder from a command's working folder.
pub(super) fn inside(object: &mut Map<String, Value>, roots: &Roots) -> Result<(), String> {
    for (_, value) in object.iter_mut().filter(|(name, _)| CWD.contains(&name.as_str())) {
        // What is no path is refused where the arguments are read.
        if let Some(Ok(path)) = value.as_str().map(WsPath::parse) {
            let own = roots.own(&path, "commands run").map_err(|error| format!("not run: {error}"))?;
            *value = Value::String(own.as_str().to_owned());
        }
    }
    Ok(())
}

/// A non-negative whole number, also as a string or a float without fraction.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(from)?;
    let number = match &value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|float| *float >= 0.0 && float.fract() == 0.0).map(|float| float as u64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.map(Some).ok_or_else(|| D::Error::custom(format!("{value} is not a whole number of 0 or more")))
}

/// A boolean, also as a string.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    match Value::deserialize(from)? {
        Value::Bool(flag) => Ok(flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        other => Err(D::Error::custom(format!("{other} is neither true nor false"))),
    }
}

/// The same where absent means something of its own.
pub(super) fn maybe_flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    flag(from).map(Some)
}

/// A list, also as its only element or as JSON in a string.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let value = match Value::deserialize(from)? {
        Value::String(text) if text.trim_start().starts_with(['[', '{']) => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        other => other,
    };
    let items = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    items.into_iter().map(|item| serde_json::from_value(item).map_err(D::Error::custom)).collect()
}

/// A list of sentences; objects among them are kept as their JSON text.
pub(super) fn sentences<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let values: Vec<Value> = list(from)?;
    Ok(values
        .into_iter()
        .map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
        .collect())
}

/// Paths below the workspace folder.
pub(super) fn paths<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<WsPath>, D::Error> {
    let written: Vec<String> = list(from)?;
    written.iter().map(|path| WsPath::parse(path).map_err(D::Error::custom)).collect()
}

/// A path below the workspace folder.
pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<WsPath, D::Error> {
    WsPath::parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// The same where it may be absent.
pub(super) fn maybe_path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<WsPath>, D::Error> {
    path(from).map(Some)
}
