//! Several workspace folders: names before paths, trust and policy by folder, one task's work in all of them, and folders that
//! come, go, nest and vanish.

mod changes;
mod knowledge;
mod lab;
mod nested;
mod paths;
mod review;
