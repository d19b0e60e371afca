//! Listing and content search over a generated tree, beside ripgrep's own parts put together as ripgrep does
//! (`reference_*`): the ratio of the two is what counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::{
    fs,
    path::PathBuf,
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use countersign::{
    path::WsPath,
    policy::Secret,
    seams::{ListQuery, SearchMode, SearchQuery},
    workspace::{Folder, Overlay, World, list, search},
};
use grep_regex::RegexMatcherBuilder;
use grep_searcher::{BinaryDetection, SearcherBuilder, sinks::Bytes};
use ignore::{WalkBuilder, WalkState};

/// Folders, files in each, and lines in each file.
const SHAPE: (usize, usize, usize) = (400, 20, 60);
const LITERAL: &str = "needle_0123";
const REGEX: &str = r"needle_\d+7\b.*value";

static TREE: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = std::env::temp_dir().join(format!("countersign-bench-{}", std::process::id()));
    for folder in 0..SHAPE.0 {
        let dir = root.join(format!("part{}/module{folder}", folder % 20));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..SHAPE.1 {
            let line =
                |line: usize| format!("    let needle_{:04} = other.value({line}, \"{folder}/{file}\");\n", line * 7 + file);
            fs::write(dir.join(format!("file{file}.rs")), (0..SHAPE.2).map(line).collect::<String>()).unwrap();
        }
    }
    fs::write(root.join(".ignore"), "*.tmp\n/target\n").unwrap();
    root
});

fn main() {
    divan::main();
    let _ = fs::remove_dir_all(&*TREE);
}

fn query(pattern: &str, under: &str) -> SearchQuery {
    SearchQuery {
        pattern: pattern.into(),
        literal: false,
        case_sensitive: true,
        under: if under.is_empty() { WsPath::root() } else { WsPath::parse(under).unwrap() },
        glob: None,
        context: 0,
        mode: SearchMode::Lines,
        offset: 0,
        limit: 100,
    }
}

fn ours(bencher: divan::Bencher<'_, '_>, pattern: &str, under: &str) {
    let (folder, stop) = (Folder::open(&TREE).unwrap(), AtomicBool::new(false));
    let query = query(pattern, under);
    bencher.bench(|| search(&folder, &Overlay::new(), &|_| false, &query, &stop).unwrap().total);
}

#[divan::bench]
fn search_literal(bencher: divan::Bencher<'_, '_>) {
    ours(bencher, LITERAL, "");
}

#[divan::bench]
fn search_regex(bencher: divan::Bencher<'_, '_>) {
    ours(bencher, REGEX, "");
}

#[divan::bench]
fn search_one_folder(bencher: divan::Bencher<'_, '_>) {
    ours(bencher, LITERAL, "part3");
}

#[divan::bench(args = [LITERAL, REGEX])]
fn reference_search(bencher: divan::Bencher<'_, '_>, pattern: &str) {
    let matcher = RegexMatcherBuilder::new().multi_line(true).line_terminator(Some(b'\n')).build(pattern).unwrap();
    bencher.bench(|| {
        let total = AtomicU64::new(0);
        walker().run(|| {
            let mut searcher = SearcherBuilder::new().binary_detection(BinaryDetection::quit(0)).line_number(true).build();
            let (matcher, total) = (&matcher, &total);
            Box::new(move |entry| {
                let entry = entry.unwrap();
                if entry.file_type().is_some_and(|kind| kind.is_file()) {
                    let mut found = Vec::new();
                    let mut sink = |_, line: &[u8]| {
                        found.extend_from_slice(line);
                        total.fetch_add(1, Ordering::Relaxed);
                        Ok(true)
                    };
                    searcher.search_path(matcher, entry.path(), Bytes(&mut sink)).unwrap();
                }
                WalkState::Continue
            })
        });
        total.into_inner()
    });
}

#[divan::bench]
fn listing(bencher: divan::Bencher<'_, '_>) {
    let folder = Folder::open(&TREE).unwrap();
    let query = ListQuery { under: WsPath::root(), glob: None, depth: None, limit: 200 };
    bencher.bench(|| list(&folder, &Overlay::new(), &query).unwrap().more);
}

#[divan::bench]
fn reference_listing(bencher: divan::Bencher<'_, '_>) {
    bencher.bench(|| {
        let total = AtomicU64::new(0);
        walker().run(|| {
            let mut out = Vec::new();
            let total = &total;
            Box::new(move |entry| {
                out.extend_from_slice(entry.unwrap().path().as_os_str().as_encoded_bytes());
                out.push(b'\n');
                total.fetch_add(1, Ordering::Relaxed);
                WalkState::Continue
            })
        });
        total.into_inner()
    });
}

/// Where the secrets are, when it was asked before.
#[divan::bench]
fn masks_again(bencher: divan::Bencher<'_, '_>) {
    let world = World::new(Folder::open(&TREE).unwrap(), None, None);
    let secrecy = |path: &WsPath, _| (path.file_name() == ".env").then_some(Secret { hide_from_commands: true });
    world.masked(&secrecy).unwrap();
    bencher.bench(|| world.masked(&secrecy).unwrap());
}

fn walker() -> ignore::WalkParallel {
    WalkBuilder::new(&*TREE).hidden(false).threads(std::thread::available_parallelism().map_or(1, usize::from)).build_parallel()
}
