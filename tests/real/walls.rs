//! The walls from outside: commands run behind them, and what they did or could not do is looked at from here.
//!
//! Every denial has its positive control: the same act without the walls, or where it is allowed, succeeds.

#[path = "walls/basics.rs"]
mod basics;
#[path = "walls/bench_of_walls.rs"]
mod bench_of_walls;
