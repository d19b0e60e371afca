//! The sockets with a name that programs of this machine listen on, read from the kernel's table.
//!
//! It reads `/proc`, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::FileTypeExt},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

/// A socket that accepts connections, in the table's flags.
const ACCEPTS: u32 = 0x1_0000;
/// The type of sockets that take datagrams.
const DATAGRAM: &str = "0002";

/// One line of the table: the socket's number, and its name as the program gave it.
struct Named {
    number: u64,
    name: PathBuf,
    listens: bool,
}

/// Where sockets are that were named from their program's working folder, by the socket's number. It is looked for once.
static FOUND: LazyLock<Mutex<HashMap<u64, Option<PathBuf>>>> = LazyLock::new(Mutex::default);

/// The paths of all of them. One whose name only its program understands is looked for where that program stands now; left out
/// is what is not found there.
pub(super) fn named() -> Vec<PathBuf> {
    // Of no known size; to read it in small pieces costs more than what is read.
    let mut table = Vec::with_capacity(64 << 10);
    let _ = fs::File::open("/proc/self/net/unix").and_then(|mut file| file.read_to_end(&mut table));
    let (own, mut paths): (Vec<Named>, Vec<Named>) = parse(&table).into_iter().partition(|named| is_own(&named.name));
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let own: HashMap<u64, PathBuf> =
        own.into_iter().filter(|named| named.listens).map(|named| (named.number, named.name)).collect();
    found.retain(|number, _| own.contains_key(number));
    if own.keys().any(|number| !found.contains_key(number)) {
        let places = places(&own);
        for number in own.into_keys() {
            found.insert(number, places.get(&number).cloned());
        }
    }
    let mut all: Vec<PathBuf> = paths.drain(..).map(|named| named.name).collect();
    all.extend(found.values().flatten().cloned());
    all
}

/// Where the socket of this name may be. The kernel keeps the name that it was made with: where nothing stands there, it was
/// moved, as by programs that make it ready first, and may be any socket of the folder.
pub(super) fn standing(name: PathBuf) -> Vec<PathBuf> {
    if name.symlink_metadata().is_ok() {
        return vec![name];
    }
    let entries = name.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let sockets = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
    sockets.map(|entry| entry.path()).collect()
}

/// Whether only the program that gave the name can say where it leads.
fn is_own(name: &Path) -> bool {
    name.is_relative() || name.starts_with("/proc/self")
}

/// The lines of the table. A name may hold any byte but NUL, line ends too.
fn parse(table: &[u8]) -> Vec<Named> {
    let mut found: Vec<(u64, Vec<u8>, bool)> = Vec::new();
    let mut nameless = true;
    for line in table.split(|byte| *byte == b'\n') {
        let begins = line
            .iter()
            .position(|byte| *byte == b':')
            .is_some_and(|end| end >= 8 && line[..end].iter().all(u8::is_ascii_hexdigit) && line.get(end + 1) == Some(&b' '));
        if begins {
            let entry = entry(line);
            nameless = entry.is_none();
            found.extend(entry);
        } else if !nameless && let Some((_, name, _)) = found.last_mut() {
            name.push(b'\n');
            name.extend_from_slice(line);
        }
    }
    let path = |name: &[u8]| PathBuf::from(OsStr::from_bytes(name.strip_suffix(b"\n").unwrap_or(name)));
    found.into_iter().map(|(number, name, listens)| Named { number, name: path(&name), listens }).collect()
}

/// `Num: RefCount Protocol Flags Type St Inode Path`, the numbers padded with blanks. `None` without a path.
fn entry(line: &[u8]) -> Option<(u64, Vec<u8>, bool)> {
    let (mut rest, mut fields) = (line, Vec::with_capacity(7));
    while fields.len() < 7 {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| *byte == b' ')?;
        fields.push(std::str::from_utf8(&rest[..end]).ok()?);
        rest = &rest[end..];
    }
    let name = rest.strip_prefix(b" ")?;
    let &[_, _, _, flags, kind, _, number] = fields.as_slice() else { return None };
    let listens = u32::from_str_radix(flags, 16).ok()? & ACCEPTS != 0 || kind == DATAGRAM;
    // `@` stands for the NUL of a name that is no path.
    let is_path = name.first().is_some_and(|first| *first != b'@');
    is_path.then_some((number.parse().ok()?, name.to_vec(), listens))
}

/// Where sockets of these numbers are, as far as their programs let us look.
fn places(wanted: &HashMap<u64, PathBuf>) -> HashMap<u64, PathBuf> {
    let mut found = HashMap::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        for open in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(open.path()) else { continue };
            let number = target.to_str().and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            let Some((number, name)) = number.and_then(|number| wanted.get_key_value(&number)) else { continue };
            let at = match name.strip_prefix("/proc/self") {
                Ok(below) => process.path().join(below),
                Err(_) => process.path().join("cwd").join(name),
            };
            // One that was moved is not there, and its folder is.
            let within = || Some(at.parent()?.canonicalize().ok()?.join(at.file_name()?));
            if let Some(path) = at.canonicalize().ok().or_else(within) {
                found.insert(*number, path);
            }
        }
    }
    found
}
