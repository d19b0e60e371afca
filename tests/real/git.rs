//! Git of real repositories in temporary folders: what the server's git does, and what a hostile repository cannot make it do.

mod canaries;
mod commits;
mod lab;
mod looks;
mod pushes;
