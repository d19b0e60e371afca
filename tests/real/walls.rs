//! The walls from outside: commands run behind them, and what they did or could not do is looked at from here.
//!
//! Every denial has its positive control: the same act without the walls, or the same tool where it is allowed, succeeds.

#[path = "walls/again.rs"]
mod again;
#[path = "walls/bench.rs"]
mod bench;
#[path = "walls/beneath.rs"]
mod beneath;
#[path = "walls/bombs.rs"]
mod bombs;
#[path = "walls/builds.rs"]
mod builds;
#[path = "walls/cases.rs"]
mod cases;
#[path = "walls/copies.rs"]
mod copies;
#[path = "walls/denials.rs"]
mod denials;
#[path = "walls/doors.rs"]
mod doors;
#[path = "walls/ends.rs"]
mod ends;
#[path = "walls/faults.rs"]
pub mod faults;
#[path = "walls/faults_nth.rs"]
mod faults_nth;
#[path = "walls/fetching.rs"]
mod fetching;
#[path = "walls/files.rs"]
mod files;
#[path = "walls/keeper.rs"]
mod keeper;
#[path = "walls/levels.rs"]
mod levels;
#[path = "walls/limits.rs"]
mod limits;
#[path = "walls/managers.rs"]
mod managers;
#[path = "walls/merging.rs"]
mod merging;
#[path = "walls/network.rs"]
mod network;
#[path = "walls/output.rs"]
mod output;
#[path = "walls/processes.rs"]
mod processes;
#[path = "walls/projects.rs"]
mod projects;
#[path = "walls/proxy.rs"]
mod proxy;
#[path = "walls/proxy_caps.rs"]
mod proxy_caps;
#[path = "walls/proxy_load.rs"]
mod proxy_load;
#[path = "walls/proxy_tls.rs"]
mod proxy_tls;
#[path = "walls/refusals.rs"]
mod refusals;
#[path = "walls/secrets.rs"]
mod secrets;
#[path = "walls/shadows.rs"]
mod shadows;
#[path = "walls/stock.rs"]
mod stock;
#[path = "walls/survival.rs"]
mod survival;
#[path = "walls/users.rs"]
mod users;
#[path = "walls/weak.rs"]
mod weak;
