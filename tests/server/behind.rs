//! What other programs do to the disk behind the editor, and texts of every kind, through the whole server.

mod disk;
mod kinds;
