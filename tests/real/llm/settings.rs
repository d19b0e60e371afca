//! SPECs, endpoints and keys: what is refused before anything is sent.

use std::{path::PathBuf, sync::Arc};

use countersign::{
    llm::{self, Endpoint, EndpointKind, Secret, Settings, Spec},
    seams::ErrorClass,
};

use super::Hourglass;

fn refusal(settings: Settings) -> countersign::seams::ModelError {
    llm::build(settings, Arc::new(Hourglass::default())).err().expect("it was taken")
}

#[test]
fn specs_are_read() {
    assert_eq!(Spec::parse("anthropic:claude-x"), Ok(Spec::Anthropic("claude-x".into())));
    assert_eq!(Spec::parse("ollama:qwen3:32b"), Ok(Spec::Ollama("qwen3:32b".into())));
    assert_eq!(Spec::parse("script:my file.jsonl"), Ok(Spec::Script(PathBuf::from("my file.jsonl"))));
    assert_eq!(Spec::parse("manual:dir"), Ok(Spec::Manual(PathBuf::from("dir"))));
    for (text, words) in [
        ("claude-x", "names no provider"),
        ("anthropic:", "lacks the name"),
        ("script:", "lacks the path"),
        ("anthropic:a b", "a blank or a control character"),
        ("gemini:x", "unknown provider"),
        ("a\u{1b}:x", "\\u{1b}"),
    ] {
        let error = Spec::parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_is_not_built_says_so() {
    for spec in ["openai:gpt", "ollama:qwen", "replay:x.jsonl"] {
        let error = refusal(Settings::new(spec));
        assert!(error.message.contains("not available yet") && error.message.contains(spec), "{}", error.message);
    }
}

#[test]
fn a_missing_key_is_told_with_the_next_step() {
    let error = refusal(Settings::new("anthropic:m"));
    assert_eq!(error.class, ErrorClass::Auth);
    assert!(error.hint.unwrap().contains("ANTHROPIC_API_KEY"));
    assert_eq!(Secret::new(" \n"), None);
}

#[test]
fn base_urls_are_vendor_loopback_or_confirmed() {
    let kind = |url: &str| Endpoint::anthropic(Some(url)).map(|endpoint| endpoint.kind()).map_err(|error| error.message);
    assert_eq!(Endpoint::anthropic(None).unwrap().kind(), EndpointKind::Vendor);
    assert_eq!(kind("https://api.anthropic.com"), Ok(EndpointKind::Vendor));
    assert_eq!(kind("http://127.0.0.1:8080/proxy/"), Ok(EndpointKind::Loopback));
    assert_eq!(kind("http://[::1]:8080"), Ok(EndpointKind::Loopback));
    assert_eq!(kind("http://localhost:1"), Ok(EndpointKind::Loopback));
    assert_eq!(kind("https://anthropic.com.example.org"), Ok(EndpointKind::Foreign));
    assert_eq!(kind("https://api.anthropic.com:8443"), Ok(EndpointKind::Foreign));
    for url in [
        "http://example.org",
        "http://api.anthropic.com",
        "ftp://localhost",
        "nonsense",
        "https://u:secret@example.org",
        "https://example.org/?a=b",
        "http://localhost.example.org",
    ] {
        let message = kind(url).unwrap_err();
        assert!(!message.contains("secret"), "{message}");
    }

    let foreign = || Settings {
        anthropic_base_url: Some("https://gate.example.org/v1".into()),
        anthropic_key: Secret::new("sk-1"),
        ..Settings::new("anthropic:m")
    };
    let error = refusal(foreign());
    assert!(error.message.contains("https://gate.example.org"), "{}", error.message);
    let other = Settings { confirmed_origin: Some("https://other.example.org".into()), ..foreign() };
    assert_eq!(refusal(other).class, ErrorClass::Auth);
    let origin = Endpoint::anthropic(foreign().anthropic_base_url.as_deref()).unwrap().origin();
    let confirmed = Settings { confirmed_origin: Some(origin), ..foreign() };
    assert_eq!(
        llm::build(confirmed, Arc::new(Hourglass::default())).map(|model| model.name().to_owned()).ok().as_deref(),
        Some("anthropic:m")
    );
}

#[test]
fn a_key_that_is_none_is_refused_unseen() {
    let settings = Settings { anthropic_key: Secret::new("sk-\u{7}bell"), ..Settings::new("anthropic:m") };
    let error = refusal(settings);
    assert!(error.class == ErrorClass::Auth && !format!("{error:?}").contains("bell"));
}
