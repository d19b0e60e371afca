//! `countersign/query` over several folders: asked in the folder that a path names, told with the names that paths begin with.

use serde_json::{Value, json};

use super::{
    answers::{Found, Located, rows},
    query::EditorInsight,
};
use crate::{
    path::{
        WsPath,
        roots::{Place as Spot, Roots},
    },
    seams::{Diagnostic, Insight, InsightError, Lines, OpenBuffer, Place, Places, RecentEdit, Relation, Symbol, Told},
};

/// What the editor knows, for a task with several folders.
pub struct ManyInsights {
    roots: Roots,
    /// In the order of the roots: the task's own first.
    all: Vec<EditorInsight>,
}

impl ManyInsights {
    /// `others` are those of the roots after the first.
    pub fn new(roots: Roots, own: EditorInsight, others: Vec<EditorInsight>) -> Self {
        ManyInsights { roots, all: std::iter::once(own).chain(others).collect() }
    }

    fn of(&self, path: &WsPath) -> Result<(&EditorInsight, usize, WsPath), InsightError> {
        match self.roots.split(path) {
            Ok(Spot::In(index, rest)) => self.all.get(index).map(|one| (one, index, rest)).ok_or(InsightError::Closed),
            // The gate lets no path through that leads nowhere.
            Ok(Spot::All) | Err(_) => Err(InsightError::NotThere(path.clone())),
        }
    }

    /// The path as tools name it; `None` where the file belongs to a folder within this one.
    fn named(&self, index: usize, path: &WsPath) -> Option<WsPath> {
        let named = self.roots.join(index, path);
        matches!(self.roots.split(&named), Ok(Spot::In(owner, _)) if owner == index).then_some(named)
    }

    fn told(&self, index: usize, error: InsightError) -> InsightError {
        match error {
            InsightError::NotThere(path) => InsightError::NotThere(self.roots.join(index, &path)),
            InsightError::Moved(path) => InsightError::Moved(self.roots.join(index, &path)),
            other => other,
        }
    }
}

#[async_trait::async_trait]
impl Insight for ManyInsights {
    fn languages(&self) -> bool {
        self.all[0].languages()
    }

    async fn diagnostics(&self, path: Option<&WsPath>) -> Result<Told<Vec<Diagnostic>>, InsightError> {
        let name = |index: usize, mut found: Diagnostic| {
            found.path = self.named(index, &found.path)?;
            Some(found)
        };
        if let Some(path) = path {
            let (one, index, rest) = self.of(path)?;
            let told = one.diagnostics(Some(&rest)).await.map_err(|error| self.told(index, error))?;
            return Ok(told.map(|what| what.into_iter().filter_map(|found| name(index, found)).collect()));
        }
        let (answer, before) = self.all[0].ask(json!({"kind": "diagnostics"})).await?;
        let mut all = Told { what: Vec::new(), without_hunks: false, moved: false };
        for (index, one) in self.all.iter().enumerate() {
            let found: Vec<Found> = rows(answer.clone())?;
            let before = if index == 0 { before.clone() } else { Default::default() };
            let told =
                one.told(before, |reader| found.into_iter().filter_map(|found| reader.diagnostic(found)).collect::<Vec<_>>());
            // A folder that was closed meanwhile has nothing to tell.
            let Ok(told) = told.await else { continue };
            all.without_hunks |= told.without_hunks;
            all.moved |= told.moved;
            all.what.extend(told.what.into_iter().filter_map(|found| name(index, found)));
        }
        Ok(all)
    }

    async fn outline(&self, path: &WsPath) -> Result<Told<Vec<Symbol>>, InsightError> {
        let (one, index, rest) = self.of(path)?;
        one.outline(&rest).await.map_err(|error| self.told(index, error))
    }

    async fn places(&self, of: &Place, relation: Relation) -> Result<Told<Places>, InsightError> {
        let (one, index, path) = self.of(&of.path)?;
        let asked = Place { path, ..of.clone() };
        let (answer, before) = one.asked(relation, &asked).await.map_err(|error| self.told(index, error))?;
        let count = Located::all(answer.clone())?.len();
        let mut all = Told { what: Places::default(), without_hunks: false, moved: false };
        for (other, one) in self.all.iter().enumerate() {
            let found = Located::all(answer.clone())?;
            let before = if other == index { before.clone() } else { Default::default() };
            let Ok(told) = one.told(before, |reader| reader.places(found)).await else { continue };
            all.without_hunks |= told.without_hunks;
            all.moved |= told.moved;
            let inside = told.what.inside.into_iter().filter_map(|(path, line)| Some((self.named(other, &path)?, line)));
            all.what.inside.extend(inside);
        }
        all.what.outside = count.saturating_sub(all.what.inside.len());
        Ok(all)
    }

    async fn hover(&self, of: &Place) -> Result<Told<Option<String>>, InsightError> {
        let (one, index, path) = self.of(&of.path)?;
        one.hover(&Place { path, ..of.clone() }).await.map_err(|error| self.told(index, error))
    }

    async fn selection(&self) -> Result<Told<Option<(WsPath, Lines)>>, InsightError> {
        let (answer, before) = self.all[0].ask(json!({"kind": "selection"})).await?;
        let mut none = Told { what: None, without_hunks: false, moved: false };
        for (index, one) in self.all.iter().enumerate() {
            let found = Located::one(answer.clone())?;
            let before = if index == 0 { before.clone() } else { Default::default() };
            let Ok(told) = one.told(before, |reader| reader.selection(found)).await else { continue };
            none.moved |= told.moved;
            let Told { what: Some((path, lines)), without_hunks, moved } = told else { continue };
            if let Some(path) = self.named(index, &path) {
                return Ok(Told { what: Some((path, lines)), without_hunks, moved });
            }
        }
        Ok(none)
    }

    async fn open_buffers(&self) -> Result<Vec<OpenBuffer>, InsightError> {
        let mut all = Vec::new();
        for (index, one) in self.all.iter().enumerate() {
            let Ok(buffers) = one.open_buffers().await else { continue };
            all.extend(
                buffers.into_iter().filter_map(|buffer| Some(OpenBuffer { path: self.named(index, &buffer.path)?, ..buffer })),
            );
        }
        Ok(all)
    }

    async fn recent_edits(&self) -> Result<Vec<RecentEdit>, InsightError> {
        let mut all = Vec::new();
        for (index, one) in self.all.iter().enumerate() {
            let Ok(edits) = one.recent_edits().await else { continue };
            all.extend(edits.into_iter().filter_map(|edit| Some(RecentEdit { path: self.named(index, &edit.path)?, ..edit })));
        }
        all.sort_by_key(|edit| edit.ago);
        Ok(all)
    }
}

impl Located {
    /// The places of an answer: one, many or none.
    ///
    /// # Errors
    /// [`InsightError::Malformed`].
    pub fn all(answer: Value) -> Result<Vec<Located>, InsightError> {
        match answer {
            one @ Value::Object(_) => rows(Value::Array(vec![one])),
            many => rows(many),
        }
    }

    /// The only place of an answer, or none.
    ///
    /// # Errors
    /// [`InsightError::Malformed`].
    pub fn one(answer: Value) -> Result<Option<Located>, InsightError> {
        serde_json::from_value(answer).map_err(|_| InsightError::Malformed)
    }
}
