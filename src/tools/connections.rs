//! News of a command's connections: on record, and what did not come through in words.

use crate::{
    event::Event,
    seams::{Connection, ConnectionNews},
};

/// Most sentences about connections.
const CLOSED: usize = 12;

/// Collects one command's.
pub(super) struct Connections<'a> {
    pub record: &'a (dyn Fn(Event) + Sync),
    /// What did not come through: each sentence once, in the order of the first.
    pub closed: Vec<String>,
}

impl Connections<'_> {
    pub(super) fn heard(&mut self, connection: &Connection) {
        (self.record)(on_record(connection));
        if let Some(why) = untold(connection, &self.closed) {
            self.closed.push(why);
        }
    }
}

/// What is to be said of a connection that did not come through, where that was not said yet, and not too much either.
pub fn untold(connection: &Connection, told: &[String]) -> Option<String> {
    let why = match &connection.news {
        ConnectionNews::Refused(why) | ConnectionNews::Failed(why) => why.clone(),
        ConnectionNews::Closed { why: Some(why), .. } => {
            format!("the connection to {}:{} was ended: {why}", connection.host, connection.port)
        }
        ConnectionNews::Opened(_) | ConnectionNews::Closed { why: None, .. } => return None,
    };
    (told.len() < CLOSED && !told.contains(&why)).then_some(why)
}

/// What the journal says of a connection.
fn on_record(connection: &Connection) -> Event {
    let Connection { number, host, port, news } = connection.clone();
    let decided = |allowed: bool, address: Option<String>, why: Option<String>| Event::NetConnect {
        host: host.clone(),
        port,
        allowed,
        connection: number,
        address,
        why,
    };
    match news {
        ConnectionNews::Refused(why) => decided(false, None, Some(why)),
        ConnectionNews::Failed(why) => decided(true, None, Some(why)),
        ConnectionNews::Opened(address) => decided(true, Some(address), None),
        ConnectionNews::Closed { sent, received, why } => Event::NetClose { connection: number, host, port, sent, received, why },
    }
}
