//! What a newcomer sees who types `countersign` and nothing else.

use super::{CliError, Code, Context};

pub fn screen(context: &mut Context) -> Result<Code, CliError> {
    let out = &mut context.out;
    out.line(format_args!("{} {}", out.bold("countersign"), env!("CARGO_PKG_VERSION")))?;
    out.text(
        "A coding agent behind your editor's language server protocol. It works in a shadow of your project;
your files, branch and remote change only where you countersign.
",
    )?;
    out.line("")?;
    out.line(out.bold("See it work, without key, network or editor"))?;
    out.text("  countersign demo\n\n")?;
    out.line(out.bold("Set it up"))?;
    out.text(
        "  countersign init               choose a model and where its key comes from
  countersign doctor             what this machine can do, and what to do about the rest
  countersign trust add DIR      let the agent work in a project

",
    )?;
    out.line(out.bold("Use it"))?;
    out.text(
        "  countersign ask \"...\"          in this terminal
  countersign lsp                in an editor: register this command as a language server for all files,
                                 then open the code actions on a selection and choose `Ask agent...`

countersign --help lists everything.
",
    )?;
    Ok(Code::Done)
}
