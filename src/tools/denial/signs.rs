//! Signs of a refusal in what programs print: which error, about which path, host or program. Every language has its own
//! shape for the same error number, hence the lists.

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// EROFS.
    ReadOnly,
    /// EACCES.
    Denied,
    /// EPERM.
    NotPermitted,
    /// ENOENT.
    Missing,
    /// A name that could not be resolved.
    NoName,
    /// ENETUNREACH, EHOSTUNREACH and connections that time out.
    Unreachable,
    /// ECONNREFUSED.
    Refused,
    /// ENOSPC.
    Full,
    /// EFBIG.
    TooLarge,
    /// EAGAIN where something was to be started.
    NoProcess,
    /// EAFNOSUPPORT, EPROTONOSUPPORT.
    NoProtocol,
    /// ENOSYS.
    NoCall,
    /// An owner that is not mapped: EINVAL or EPERM of chown.
    NoOwner,
}

/// Lower-case words of each, the sharpest kinds first: a line is of the first kind whose words it has.
const WORDS: &[(Kind, &[&str])] = &[
    (
        Kind::NoName,
        &[
            "could not resolve",
            "couldn't resolve",
            "name resolution",
            "name or service not known",
            "resolving timed out",
            "unable to resolve",
            "failure resolving",
            "failed to lookup address",
            "eai_again",
            "enotfound",
            "unknownhostexception",
            "no such host",
            "nodename nor servname",
            "no address associated with hostname",
            "getaddrinfo",
            "no servers could be reached",
            "server misbehaving",
        ],
    ),
    (
        Kind::Unreachable,
        &[
            "network is unreachable",
            "enetunreach",
            "no route to host",
            "ehostunreach",
            "os error 101",
            "errno 101",
            "os error 113",
        ],
    ),
    (Kind::ReadOnly, &["read-only file system", "erofs", "os error 30", "errno 30", "code: 30,"]),
    (Kind::TooLarge, &["file too large", "efbig", "os error 27)", "errno 27]", "file size limit exceeded", "code: 27,"]),
    (
        Kind::Full,
        &[
            "no space left on device",
            "enospc",
            "os error 28)",
            "errno 28]",
            "code: 28,",
            "disk quota exceeded",
            "database or disk is full",
        ],
    ),
    (
        Kind::NoProcess,
        &[
            "fork: retry",
            "cannot fork",
            "can't fork",
            "fork failed",
            "fork: resource temporarily unavailable",
            "can't start new thread",
            "failed to create new os thread",
            "unable to create native thread",
            "failed to spawn thread",
            "spawn eagain",
            "blockingioerror: [errno 11]",
            "pthread_create failed",
        ],
    ),
    (
        Kind::NoOwner,
        &["changing ownership", "change ownership", "changing group", "lchown", "fchown", "chown(", "operation chown"],
    ),
    (
        Kind::NoProtocol,
        &[
            "address family not supported",
            "protocol not supported",
            "eafnosupport",
            "eprotonosupport",
            "os error 97)",
            "errno 97]",
            "os error 93)",
            "errno 93]",
            "cannot open netlink socket",
        ],
    ),
    (Kind::NoCall, &["function not implemented", "enosys", "os error 38)", "errno 38]", "code: 38,"]),
    (
        Kind::NotPermitted,
        &[
            "operation not permitted",
            "eperm",
            "os error 1)",
            "errno 1]",
            "code: 1,",
            "must be superuser",
            "\"no new privileges\" flag",
            "setuid root",
            "effective uid is not 0",
            "you must be root",
            "only root can",
            "must be run as root",
            "authentication failure",
        ],
    ),
    (Kind::Denied, &["permission denied", "eacces", "os error 13)", "errno 13]", "code: 13,", "permissionerror"]),
    (
        Kind::Refused,
        &[
            "connection refused",
            "econnrefused",
            "os error 111)",
            "errno 111]",
            "code: 111,",
            "couldn't connect to server",
            "could not connect to server",
            "failed to connect to",
        ],
    ),
    (
        Kind::Missing,
        &[
            "no such file or directory",
            "enoent",
            "os error 2)",
            "errno 2]",
            "code: 2,",
            "cannot find the",
            "does not exist",
            "cannot connect to the docker daemon",
        ],
    ),
];

/// The kind of error that a line tells of.
pub(super) fn kind(line: &str) -> Option<Kind> {
    let line = line.to_lowercase();
    // `FileNotFoundError` is no `ENOTFOUND`.
    let whole = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric());
    let has = |word: &&str| line.match_indices(*word).any(|(at, _)| whole(at));
    WORDS.iter().find(|(_, words)| words.iter().any(has)).map(|(kind, _)| *kind)
}

/// Whether a line of lower-case letters, about what is not permitted, is about a file or about another right than to a socket.
pub(super) fn no_socket(line: &str) -> bool {
    const FILES: &[&str] = &["permitted: '", "permitted, ", "changing ", "setting ", "cannot "];
    const RIGHTS: &[&str] = &["kill", "signal", "nice", "priority", "affinity", "attribute", "limit", "clock", "namespace"];
    !line.contains("sock") && FILES.iter().chain(RIGHTS).any(|word| line.contains(word))
}

/// What a weaker level lacks, by a line of lower-case letters that was denied without a path, and all that was printed.
pub(super) fn unshared(line: &str, output: &str) -> Option<&'static str> {
    if ["pseudo-terminal", "pseudo terminal", "openpty", "pty"].iter().any(|word| line.contains(word)) {
        return Some("terminals");
    }
    let about = ["SemLock", "shm_open", "sem_open", "shared_memory", "SharedMemory"];
    about.iter().any(|word| output.contains(word)).then_some("shared memory")
}

/// Absolute paths in a line, `~/` and `unix://` ones included, in the order in which they stand.
pub(super) fn paths(line: &str) -> Vec<&str> {
    let opens = |c: char| c.is_whitespace() || "'\"`‘’“”(=[<:".contains(c);
    let mut found = Vec::new();
    for (at, c) in line.char_indices() {
        let rest = &line[at..];
        let starts = rest.starts_with('/') || rest.starts_with("~/");
        let before = line[..at].chars().next_back();
        // `unix:///run/x`: the third slash. Addresses (`https://host`) are no paths.
        let fits = match before {
            None => true,
            Some('/') => line[..at].ends_with("unix://"),
            Some(before) => opens(before) && !rest.starts_with("//"),
        };
        if !starts || !fits {
            continue;
        }
        let quote = before.and_then(closing);
        let ends = |c: char| match quote {
            Some(quote) => c == quote,
            None => c.is_whitespace() || "'\"`‘’“”()[]<>,;:!".contains(c),
        };
        let end = rest.char_indices().skip(c.len_utf8()).find(|(_, c)| ends(*c)).map_or(rest.len(), |(end, _)| end);
        let path = rest[..end].trim_end_matches(['.', '/']);
        if path.len() > 1 && !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

fn closing(open: char) -> Option<char> {
    match open {
        '\'' | '"' | '`' => Some(open),
        '‘' => Some('’'),
        '“' => Some('”'),
        _ => None,
    }
}

/// What a program that could not be found is called, by a line of a shell, `env` or `make`.
pub(super) fn program(line: &str) -> Option<&str> {
    let plain = |name: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
        !name.is_empty() && name.len() < 64 && name.bytes().all(known) && !name.bytes().all(|b| b.is_ascii_digit())
    };
    let name = line
        .strip_suffix(": command not found")
        .or_else(|| line.strip_suffix(": not found").filter(|before| before.contains("sh: ")))
        .or_else(|| {
            line.strip_suffix(": No such file or directory")
                .filter(|before| before.contains("env: ") || before.starts_with("make"))
        })?;
    let name = name.rsplit(": ").next()?.trim_matches(['\'', '‘', '’', '"', '`']);
    plain(name).then_some(name)
}

/// A host, with its port where one stands there, in a line that tells of a failed connection.
pub(super) fn host(line: &str) -> Option<String> {
    const BEFORE: &[&str] = &[
        "could not resolve host: ",
        "couldn't resolve host ",
        "could not resolve hostname ",
        "could not resolve proxy: ",
        "unable to resolve host address ",
        "temporary failure resolving ",
        "eai_again ",
        "enotfound ",
        "enetunreach ",
        "ehostunreach ",
        "econnrefused ",
        "unknownhostexception: ",
        "failed to connect to ",
        "could not resolve: ",
        "dial tcp: lookup ",
        "dial tcp ",
        "connect to address ",
        "connect to host ",
        "connecting to ",
        "failed to lookup address information: ",
        "host=",
        "getaddrinfo for host ",
        "could not translate host name ",
        "://",
        "connection to server at ",
    ];
    let lower = line.to_lowercase();
    // Lower-casing may move bytes; addresses are ASCII.
    let line = if line.len() == lower.len() { line } else { lower.as_str() };
    for before in BEFORE {
        let Some(at) = lower.find(before) else { continue };
        let rest = line[at + before.len()..].trim_start_matches(['\'', '"', '‘', '“']);
        let rest = rest.rsplit_once('@').filter(|(user, _)| !user.contains(['/', ' '])).map_or(rest, |(_, rest)| rest);
        let part = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches([':', '.']);
        // These words have nothing but a name behind them.
        let sure = before.starts_with("could not resolve host") && !name.is_empty();
        let local = sure || name.starts_with("localhost") || name.starts_with('[') || name.starts_with("::");
        if (local || name.contains('.')) && !name.starts_with('.') {
            return Some(with_port(name, &rest[end..], &line[..at + before.len()]));
        }
    }
    None
}

/// The name with a port: its own, that of `port 80`, or that of the scheme before it.
fn with_port(name: &str, after: &str, before: &str) -> String {
    let number = |text: &str| -> Option<u16> {
        let digits = text.trim_start();
        digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())].parse().ok()
    };
    let has_port = name.rsplit_once(':').is_some_and(|(host, port)| !host.contains(':') && port.parse::<u16>().is_ok());
    let told = after.find("port").and_then(|at| number(after[at + 4..].trim_start_matches([':', '=', ' '])));
    let scheme = match before.to_lowercase() {
        scheme if scheme.ends_with("https://") => Some(443),
        scheme if scheme.ends_with("http://") => Some(80),
        scheme if scheme.ends_with("ssh://") => Some(22),
        _ => None,
    };
    match told.or(scheme).filter(|_| !has_port) {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}
