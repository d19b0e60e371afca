//! A workspace of files in a map.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use countersign::{
    event::{HunkId, ProposalId},
    path::WsPath,
    proposal::Receipt,
    seams::*,
    text::Text,
};

#[derive(Default)]
pub struct Files {
    pub files: Mutex<BTreeMap<String, String>>,
    pub staged: Mutex<Vec<StageRequest>>,
    pub news: Mutex<Vec<String>>,
    pub receipts: Mutex<Vec<Receipt>>,
    pub revision: AtomicU64,
}

impl Files {
    pub fn put(&self, path: &str, text: &str) {
        self.files.lock().unwrap().insert(path.into(), text.into());
        self.revision.fetch_add(1, Ordering::SeqCst);
    }
    pub fn get(&self, path: &str) -> Option<String> {
        self.files.lock().unwrap().get(path).cloned()
    }
}

#[async_trait::async_trait]
impl Workspace for Files {
    async fn read(&self, path: &WsPath) -> Result<View, WorkspaceError> {
        let text = self.get(path.as_str()).ok_or_else(|| WorkspaceError::NotFound { path: path.clone(), near: vec![] })?;
        Ok(View {
            path: path.clone(),
            size: text.len() as u64,
            text: Text::new(&text),
            kind: FileKind::Text,
            source: Source::Disk,
        })
    }
    async fn list(&self, query: ListQuery) -> Result<Listing, WorkspaceError> {
        let entries = self
            .files
            .lock()
            .unwrap()
            .keys()
            .map(|path| Listed { path: path.clone(), is_dir: false, note: None })
            .collect::<Vec<_>>();
        let more = entries.len().saturating_sub(query.limit);
        Ok(Listing { entries: entries.into_iter().take(query.limit).collect(), more })
    }
    async fn search(&self, query: SearchQuery) -> Result<SearchResult, WorkspaceError> {
        let files = self.files.lock().unwrap();
        let hits: Vec<Hit> = files
            .iter()
            .flat_map(|(path, text)| text.lines().enumerate().map(move |(line, text)| (path, line, text)))
            .filter(|(_, _, text)| text.contains(&query.pattern))
            .map(|(path, line, text)| Hit {
                path: path.clone(),
                line: line as u64 + 1,
                text: text.into(),
                is_match: true,
                count: 1,
            })
            .collect();
        let total = hits.len() as u64;
        let hits = hits.into_iter().skip(query.offset).take(query.limit).collect();
        Ok(SearchResult { hits, total, files_searched: files.len() as u64, truncated: false })
    }
    async fn stage(&self, request: StageRequest) -> Result<Staged, WorkspaceError> {
        let path = request.path.to_string();
        let text = match &request.op {
            StageOp::Modify { from, to } | StageOp::Merge { from, to } => {
                if self.get(&path) != Some(from.to_string()) {
                    return Err(WorkspaceError::Moved(request.path));
                }
                self.put(&path, &to.to_string());
                to.clone()
            }
            StageOp::Create { text } => {
                if self.get(&path).is_some() {
                    return Err(WorkspaceError::Exists(request.path));
                }
                self.put(&path, &text.to_string());
                text.clone()
            }
            StageOp::Delete => {
                self.files.lock().unwrap().remove(&path);
                Text::default()
            }
            StageOp::Move { to } => {
                let text = self.files.lock().unwrap().remove(&path).unwrap_or_default();
                self.put(to.as_str(), &text);
                Text::new(&text)
            }
            StageOp::Mode { .. } => Text::new(&self.get(&path).unwrap_or_default()),
        };
        let mut staged = self.staged.lock().unwrap();
        staged.push(request);
        let hunks = vec![HunkId(format!("h{}", staged.len()))];
        Ok(Staged { proposal: ProposalId::from("p1"), hunks, stale: vec![], text })
    }
    async fn shadow(&self) -> Result<Shadow, WorkspaceError> {
        Ok(Shadow::default())
    }
    async fn checkable(&self) -> Result<Option<Checkable>, WorkspaceError> {
        let revision = self.revision.load(Ordering::SeqCst);
        let checkable = || Checkable { shadow: Shadow::default(), digest: format!("text {revision}") };
        Ok((!self.staged.lock().unwrap().is_empty()).then(checkable))
    }
    async fn checked(&self, receipt: Receipt) {
        self.receipts.lock().unwrap().push(receipt);
    }
    async fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }
    async fn news(&self) -> Vec<String> {
        std::mem::take(&mut self.news.lock().unwrap())
    }
    async fn moment(&self) -> Result<Moment, WorkspaceError> {
        Ok(Moment { at: SystemTime::now(), over: BTreeMap::new() })
    }
    /// Texts and deletions only: the comparison itself is the real workspace's.
    async fn merges(&self, _: Moment, written: Vec<Written>) -> Result<Merges, WorkspaceError> {
        let mut found = Merges::default();
        for one in written {
            let path = WsPath::from_disk(&one.path).unwrap();
            let op = match (one.found, self.get(&one.path)) {
                (Found::File { content, .. }, from) => {
                    let to = Text::new(&String::from_utf8(content).unwrap());
                    from.map_or(StageOp::Create { text: to.clone() }, |from| StageOp::Merge { from: Text::new(&from), to })
                }
                (Found::Gone, _) => StageOp::Delete,
                (other, _) => {
                    found.kept.push((path, format!("{other:?}")));
                    continue;
                }
            };
            found.merges.push(Merge { ops: vec![(path.clone(), op)], takes: vec![path.clone()], path, lines: (1, 2) });
        }
        Ok(found)
    }
    async fn resolve(&self, path: &WsPath) -> Result<WsPath, WorkspaceError> {
        Ok(path.clone())
    }
}
