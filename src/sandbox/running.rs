//! One command at work: the plan goes to its process 1, output comes back, and an end is made when one is due.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::OwnedWriteHalf,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    hints::refusal,
    keeper::{Keeper, Unrun, Waiting, Word},
    net::{News, Proxy},
    plan::{Met, Report},
};
use crate::seams::{OutputSink, Reached, Stopped};

/// How long the walls may take to stand; the command's own time begins when they do.
const RAISING: Duration = Duration::from_secs(10);
/// How long the end of everything may take after the order to stop, before it is made from outside.
const GRACE: Duration = Duration::from_millis(500);
/// How long output is read after the command's end, should something outside its walls hold the pipe open.
const DRAIN: Duration = Duration::from_secs(2);
const BUFFER: usize = 64 << 10;
/// Output is passed on at once after a pause of this length, else gathered so long: a million small writes are no million
/// pieces.
const PACE: Duration = Duration::from_millis(20);

/// How it ended.
#[derive(Default)]
pub(super) struct Ended {
    pub report: Option<Report>,
    pub stopped: Option<Stopped>,
    pub reached: Vec<Reached>,
    /// The keeper did not see it through: another is needed.
    pub lost: bool,
    /// Every wall was seen to stand.
    pub walled: bool,
    /// It was stopped before it began: nothing ran.
    pub unbegun: bool,
    /// Dropping it lets process 1 go, and with it namespaces and mounts: work for the kernel, for which nobody needs to wait.
    pub leaving: Option<OwnedWriteHalf>,
}

/// The next news of a connection; pending for good without a proxy.
async fn heard(proxy: &mut Option<Proxy>) -> News {
    match proxy {
        Some(proxy) => proxy.news().await,
        None => std::future::pending().await,
    }
}

/// Sends a frame of the plan, passes output on, and comes back when every process of the command is gone.
pub(super) async fn attend(
    keeper: &mut Keeper,
    waiting: Waiting,
    plan: &[u8],
    time: Duration,
    mut proxy: Option<Proxy>,
    sink: &mut dyn OutputSink,
    cancel: &CancellationToken,
) -> Result<Ended, Unrun> {
    let Waiting { number, mut reports, mut orders, mut output } = waiting;
    // A process 1 that failed has hung up; its report says why.
    let _ = tokio::time::timeout(RAISING, orders.write_all(plan)).await;
    // Dropping it is the order to stop.
    let mut orders = Some(orders);
    let mut ended = Ended::default();
    let mut unmade = None;
    let (mut running, mut reporting, mut flowing) = (true, true, true);
    let (mut buffer, mut filled) = (vec![0u8; BUFFER], 0);
    let pace = sleep_until(Instant::now());
    let deadline = sleep_until(Instant::now() + RAISING);
    // Set when an end is due; `hurried` says that it is.
    let patience = sleep_until(Instant::now());
    let mut hurried = false;
    tokio::pin!(deadline, patience, pace);
    while running || reporting || flowing {
        if running && !hurried && (!reporting || ended.report.is_some()) {
            // Process 1 is at its end, and a keeper that is well says so in no time.
            hurried = true;
            patience.as_mut().reset(Instant::now() + DRAIN);
        }
        tokio::select! {
            // Words before deadlines: what stands there already counts. Output last: a flood holds nothing up.
            biased;
            line = reports.next(), if reporting => match line {
                Some(line) => match serde_json::from_str(&line) {
                    Ok(Report::Started) => {
                        ended.walled = true;
                        deadline.as_mut().reset(Instant::now() + time);
                    }
                    Ok(Report::Empty) => {
                        // What is left of its namespaces goes behind the scenes.
                        (reporting, running, hurried) = (false, false, true);
                        patience.as_mut().reset(Instant::now() + DRAIN);
                    }
                    Ok(Report::Reached(Met::Full(path))) => ended.reached.push(Reached::Full(path)),
                    Ok(Report::Reached(Met::Processes)) => ended.reached.push(Reached::Processes),
                    Ok(report) => ended.report = Some(report),
                    Err(_) => {}
                },
                None => reporting = false,
            },
            (news, heard) = heard(&mut proxy) => {
                sink.connection(&news);
                let _ = heard.send(());
            }
            word = keeper.word(), if running => {
                match word {
                    Word::Gone(gone, _) if gone < number => continue,
                    Word::Gone(_, failed) => unmade = failed,
                    Word::Failed(step, why) => (unmade, ended.lost) = (Some((step, why)), true),
                    Word::Lost => ended.lost = true,
                }
                // A process 1 whose keeper died before it could ask to die with it: the order to stop ends it too.
                (orders, running, hurried) = (None, false, true);
                patience.as_mut().reset(Instant::now() + DRAIN);
            }
            () = &mut deadline, if running && ended.stopped.is_none() && ended.report.is_none() => {
                ended.stopped = Some(Stopped::Timeout);
                (orders, hurried) = (None, true);
                patience.as_mut().reset(Instant::now() + GRACE);
            }
            () = cancel.cancelled(), if running && ended.stopped.is_none() && ended.report.is_none() => {
                ended.stopped = Some(Stopped::Cancelled);
                (orders, hurried) = (None, true);
                patience.as_mut().reset(Instant::now() + GRACE);
            }
            () = &mut patience, if hurried => {
                if !running {
                    break;
                }
                // Its death is the death of process 1, and that the end of the namespace.
                keeper.kill();
                patience.as_mut().reset(Instant::now() + DRAIN);
            }
            read = output.read(&mut buffer[filled..]), if flowing => {
                match read {
                    Ok(length) if length > 0 => filled += length,
                    _ => flowing = false,
                }
                if !flowing || filled == BUFFER || pace.is_elapsed() {
                    give(&buffer, &mut filled, sink);
                    pace.as_mut().reset(Instant::now() + PACE);
                }
            }
            () = &mut pace, if filled > 0 => give(&buffer, &mut filled, sink),
        }
    }
    give(&buffer, &mut filled, sink);
    ended.leaving = orders;
    if let Some(proxy) = proxy {
        proxy.finish(|news| sink.connection(news)).await;
    }
    if !ended.walled
        && let Some((step, why)) = unmade
    {
        return Err(Unrun::Refused(refusal(&step, &why)));
    }
    match &ended.report {
        Some(Report::Failed { step, why }) => Err(Unrun::Refused(refusal(step, why))),
        Some(Report::Stale(why)) => Err(Unrun::Lost(why.clone())),
        None if !ended.walled && ended.stopped.is_none() => Err(Unrun::Lost("the wall process ended without a word".into())),
        None if !ended.walled && ended.stopped == Some(Stopped::Timeout) => {
            Err(Unrun::Lost("the walls did not stand in time".into()))
        }
        _ => Ok(ended),
    }
}

/// Passes on what was read.
fn give(buffer: &[u8], filled: &mut usize, sink: &mut dyn OutputSink) {
    if *filled > 0 {
        sink.output(&buffer[..*filled]);
        *filled = 0;
    }
}
