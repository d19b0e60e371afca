//! The deep reading: every command of a text at any depth, as well as a grammar can tell. What is found here may only make
//! a verdict stricter, so that the grammar's errors cost a question at most.

use tree_sitter::{Node, Parser, TreeCursor};

use super::{Join, Part, Redirect, Word, word};

/// What the grammar found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Commands, assignments and redirects in the order of the text; a redirect stands as a part of its own.
    pub parts: Vec<Part>,
    /// The text is no valid shell text; the parts hold a rough reading of it as well.
    pub broken: bool,
}

impl Tree {
    /// How many commands there are.
    pub fn commands(&self) -> usize {
        self.parts.iter().filter(|part| !part.words.is_empty()).count()
    }
}

/// Reads a text.
pub fn read(text: &str) -> Tree {
    let joined = word::join_lines(text);
    let mut parser = Parser::new();
    let tree = match parser.set_language(&tree_sitter_bash::LANGUAGE.into()) {
        Ok(()) => parser.parse(&joined, None),
        Err(_) => None,
    };
    let Some(tree) = tree else { return Tree { parts: rough(&joined), broken: true } };
    let root = tree.root_node();
    let mut walk = Walk { text: &joined, parts: Vec::new(), join: Join::Other };
    walk.all(&mut root.walk());
    if root.has_error() {
        walk.parts.extend(rough(&joined));
    }
    Tree { parts: walk.parts, broken: root.has_error() }
}

struct Walk<'a> {
    text: &'a str,
    parts: Vec<Part>,
    join: Join,
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
            ";" | ";;" | "\n" | "|" | "||" | "&" | "|&" | "then" | "do" | "else" => self.join = Join::Other,
            "command" => self.command(node),
            "file_redirect" => self.redirect(node),
            _ => {}
        }
    }

    fn command(&mut self, node: Node) {
        let mut part = Part { join: self.join, ..Part::default() };
        // What stands inside of it, such as `$(...)`, runs where it runs.
        self.join = Join::AndThen;
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
                _ if child.is_named() => part.words.push(word::read(self.slice(child))),
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

/// Words that stand before a command without being one.
const LEADING: [&str; 12] = ["!", "do", "elif", "else", "exec", "function", "if", "then", "time", "until", "while", "coproc"];

/// A reading for texts that no grammar takes: quotes dropped, cut at every sign that could begin a command.
fn rough(text: &str) -> Vec<Part> {
    let bare: String = text.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
    let cut = bare.split([';', '|', '&', '(', ')', '{', '}', '`', '\n', '$', '<', '>']);
    let words = |piece: &str| -> Vec<Word> {
        piece.split_whitespace().skip_while(|word| LEADING.contains(word)).map(Word::literal).collect()
    };
    cut.map(|piece| Part { words: words(piece), ..Part::default() }).filter(|part| !part.words.is_empty()).collect()
}
