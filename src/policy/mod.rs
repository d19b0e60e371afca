//! The policy: parse, merge, decide, render.
