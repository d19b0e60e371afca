//! The deep reading: every command of a text at any depth, as well as a grammar can tell. What is found here may only make
//! a verdict stricter, so that the grammar's errors cost a question at most.

use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, ParseState, Parser, TreeCursor};

use super::{Join, Part, Redirect, Word, word};

/// What the grammar found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Commands, assignments and redirects in the order of the text; a redirect stands as a part of its own.
    pub parts: Vec<Part>,
    /// The grammar gave up: the text is built to keep it busy.
    pub tangled: bool,
}

impl Tree {
    /// How many commands there are.
    pub fn commands(&self) -> usize {
        self.parts.iter().filter(|part| !part.words.is_empty()).count()
    }
}

/// Reads a text.
pub fn read(text: &str) -> Tree {
    // The grammar's scanner is C, and wide or unprintable characters make it read where nothing is: that would end the server.
    // It gets plain ASCII of the same length; what a character means to the shell is not lost, since all of those are ASCII.
    let ascii = |byte: u8| if matches!(byte, b' '..=b'~' | b'\n' | b'\t') { char::from(byte) } else { 'x' };
    let text = &text.bytes().map(ascii).collect::<String>();
    let mut parser = Parser::new();
    if parser.set_language(&tree_sitter_bash::LANGUAGE.into()).is_err() {
        return Tree { parts: Vec::new(), tangled: true };
    }
    // Plain text takes about one step for 40 bytes; texts that make the grammar guess take very many. Steps, not time, so
    // that a verdict is the same on every machine.
    let most = 64 + text.len() / 20;
    let mut steps = 0;
    let mut progress = |_: &ParseState| {
        steps += 1;
        if steps > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let bytes = text.as_bytes();
    let mut input = |at: usize, _| bytes.get(at..).unwrap_or_default();
    let options = ParseOptions::new().progress_callback(&mut progress);
    let Some(tree) = parser.parse_with_options(&mut input, None, Some(options)) else {
        return Tree { parts: Vec::new(), tangled: true };
    };
    let mut walk = Walk { text, parts: Vec::new(), join: Join::Other, end: 0 };
    walk.all(&mut tree.root_node().walk());
    Tree { parts: walk.parts, tangled: false }
}

struct Walk<'a> {
    text: &'a str,
    parts: Vec<Part>,
    join: Join,
    /// Where the last command ended.
    end: usize,
}

impl Walk<'_> {
    /// Visits every node, in the order of the text. Without recursion: a hostile text nests deeper than a stack.
    fn all(&mut self, cursor: &mut TreeCursor) {
        loop {
            self.node(cursor.node());
            if cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return;
                }
            }
        }
    }

    fn node(&mut self, node: Node) {
        match node.kind() {
            "&&" => self.join = Join::AndThen,
            ";" | ";;" | "|" | "||" | "&" | "|&" | "then" | "do" | "else" => self.join = Join::Other,
            "command" => self.command(node),
            "file_redirect" => self.redirect(node),
            _ => {}
        }
    }

    fn command(&mut self, node: Node) {
        // Line ends are no nodes; a nested command stands before the end of the one around it.
        let new_line = self.text.get(self.end..node.start_byte()).is_some_and(|between| between.contains('\n'));
        self.end = self.end.max(node.end_byte());
        let mut part = Part { join: if new_line { Join::Other } else { self.join }, ..Part::default() };
        // What stands inside of it, such as `$(...)`, runs where it runs.
        self.join = Join::AndThen;
        let mut last = 0..0;
        for child in children(node) {
            match child.kind() {
                "variable_assignment" => {
                    if let Some((name, value)) = self.slice(child).split_once('=') {
                        part.assignments.push((name.trim_end_matches('+').to_owned(), word::read(value).text));
                    }
                }
                "file_redirect" => part.words.extend(self.lost_words(child)),
                "herestring_redirect" => part.stdin = children(child).last().map(|text| word::read(self.slice(*text)).text),
                "heredoc_redirect" => self.heredoc(child, &mut part),
                _ if child.is_named() => {
                    // The grammar cuts some words that touch, such as `'a'\b`; to the shell they are one.
                    let touches = last.end == child.start_byte() && part.words.pop().is_some();
                    last = if touches { last.start } else { child.start_byte() }..child.end_byte();
                    part.words.push(word::read(self.text.get(last.clone()).unwrap_or_default()));
                }
                _ => {}
            }
        }
        if let Some(around) = node.parent().filter(|parent| parent.kind() == "redirected_statement") {
            for redirect in children(around) {
                match redirect.kind() {
                    "file_redirect" => part.words.extend(self.lost_words(redirect)),
                    "heredoc_redirect" => self.heredoc(redirect, &mut part),
                    "herestring_redirect" => {
                        part.stdin = children(redirect).last().map(|text| word::read(self.slice(*text)).text);
                    }
                    _ => {}
                }
            }
        }
        self.parts.push(part);
    }

    fn heredoc(&self, node: Node, part: &mut Part) {
        for child in children(node) {
            match child.kind() {
                "heredoc_body" => part.stdin = Some(self.slice(child).to_owned()),
                "file_redirect" => part.words.extend(self.lost_words(child)),
                "word" | "concatenation" | "string" | "raw_string" => part.words.push(word::read(self.slice(child))),
                _ => {}
            }
        }
    }

    /// The grammar takes words after a redirect's target for more targets; to the shell they are arguments.
    fn lost_words(&self, redirect: Node) -> Vec<Word> {
        let mut cursor = redirect.walk();
        redirect.children_by_field_name("destination", &mut cursor).skip(1).map(|lost| word::read(self.slice(lost))).collect()
    }

    fn redirect(&mut self, node: Node) {
        let operator =
            children(node).into_iter().find(|child| !child.is_named()).map(|child| self.slice(child)).unwrap_or_default();
        let Some(target) = node.child_by_field_name("destination").map(|target| word::read(self.slice(target))) else { return };
        let copies = operator.ends_with('&') && (target.text == "-" || target.text.bytes().all(|b| b.is_ascii_digit()));
        if !copies {
            let redirects = vec![Redirect { write: operator.contains('>'), target }];
            self.parts.push(Part { join: Join::AndThen, redirects, ..Part::default() });
        }
    }

    fn slice(&self, node: Node) -> &str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }
}

fn children<'tree>(node: Node<'tree>) -> Vec<Node<'tree>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}
