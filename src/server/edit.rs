//! The editor's part of an acceptance as one LSP edit: versioned text edits, and files that the editor itself creates, moves
//! and deletes.

use std::{collections::HashMap, ops::Range as Span};

use tower_lsp::lsp_types::{
    CreateFile, CreateFileOptions, DeleteFile, DeleteFileOptions, DocumentChangeOperation, DocumentChanges, OneOf,
    OptionalVersionedTextDocumentIdentifier, Range, RenameFile, RenameFileOptions, ResourceOp, TextDocumentEdit, TextEdit,
    WorkspaceEdit,
};

use super::{caps::Client, folders::Folder, position};
use crate::{
    path::WsPath,
    proposal::FileOp,
    text::{Encoding, Text, for_editors},
    workspace::desk::Plan,
};

/// The plan as one LSP edit.
pub fn workspace_edit(folder: &Folder, plan: &Plan, client: &Client) -> Result<WorkspaceEdit, String> {
    let uri = |path: &WsPath| folder.uri(path).ok_or_else(|| format!("{path} has no URI"));
    let mut operations = Vec::new();
    let mut plain = HashMap::new();
    for file in &plan.files {
        let edits = for_editors(&file.base, file.edits.iter().map(|(_, edit)| edit.clone()).collect());
        let edits: Vec<TextEdit> =
            edits.into_iter().map(|edit| text_edit(&file.base, edit.range, edit.new, client.encoding)).collect();
        let op = |op: ResourceOp| DocumentChangeOperation::Op(op);
        match &file.op {
            FileOp::Create if client.create => operations.push(op(ResourceOp::Create(CreateFile {
                uri: uri(&file.path)?,
                options: Some(CreateFileOptions { overwrite: Some(false), ignore_if_exists: Some(true) }),
                annotation_id: None,
            }))),
            FileOp::Delete => operations.push(op(ResourceOp::Delete(DeleteFile {
                uri: uri(&file.path)?,
                options: Some(DeleteFileOptions {
                    recursive: Some(false),
                    ignore_if_not_exists: Some(true),
                    annotation_id: None,
                }),
            }))),
            FileOp::Edit | FileOp::Create | FileOp::Move { .. } => {}
        }
        if !edits.is_empty() {
            plain.insert(uri(&file.path)?, edits.clone());
            operations.push(DocumentChangeOperation::Edit(TextDocumentEdit {
                text_document: OptionalVersionedTextDocumentIdentifier { uri: uri(&file.path)?, version: file.version },
                edits: edits.into_iter().map(OneOf::Left).collect(),
            }));
        }
        if let FileOp::Move { to } = &file.op {
            operations.push(op(ResourceOp::Rename(RenameFile {
                old_uri: uri(&file.path)?,
                new_uri: uri(to)?,
                options: Some(RenameFileOptions { overwrite: Some(false), ignore_if_exists: Some(false) }),
                annotation_id: None,
            })));
        }
    }
    if client.document_changes {
        return Ok(WorkspaceEdit { document_changes: Some(DocumentChanges::Operations(operations)), ..Default::default() });
    }
    // Without versions the check is ours alone: the plan was made on the text that the client has told us.
    Ok(WorkspaceEdit { changes: Some(plain), ..Default::default() })
}

fn text_edit(base: &Text, range: Span<usize>, new_text: String, encoding: Encoding) -> TextEdit {
    let (start, end) = (position(base.point(range.start, encoding)), position(base.point(range.end, encoding)));
    TextEdit { range: Range { start, end }, new_text }
}
