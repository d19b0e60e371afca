//! What a hostile workspace, a hostile model, a rude client and a dying machine do to the whole server; each denial has its
//! positive control.

mod ends;
mod faults;
mod lab;
mod network;
mod questions;
mod races;
mod workspace;
