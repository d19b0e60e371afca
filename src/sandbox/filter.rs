//! The system-call filter, the last wall: what no build tool needs and what reaches the kernel's less trodden ground.
//!
//! What else a level has decides what is left of it: sockets where a network leads nowhere, and calls that reach other programs
//! where no namespace keeps these apart.
//!
//! A deny list, written as classic BPF by hand: `(code, jump if true, jump if false, operand)` an instruction. It is built
//! once a process and handed to the wall process as it is. Refusals are error numbers, so that programs say what happened;
//! only a foreign architecture (32-bit calls) is killed, since its numbers mean something else.

use std::collections::BTreeMap;

use nix::libc;

use crate::policy::Level;

/// One instruction.
pub(super) type Instruction = (u16, u8, u8, u32);

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;

// Offsets into struct seccomp_data; arguments are 64 bits wide, the low half first on both architectures.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
/// Numbers from here on belong to the x32 variant, under the same architecture name.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Every flag that makes a namespace; in `clone` the lowest byte is the exit signal, so that of time stands there for
/// another thing and is only left to `unshare`.
const NAMESPACES: u32 = 0x7e02_0000;
const TIME_NAMESPACE: u32 = 0x80;

/// Number of the limit on core dumps.
const CORE: u32 = 4;

/// Numbers of the two threads of process 1, which makes the first processes of its namespace: the one that reaps and the one
/// that counts what is used.
const OURS: [u32; 2] = [1, 2];

const SOCKET_TYPE: u32 = 0xf;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;

/// `ioctl` requests that type into a terminal, or change what it is.
const TERMINAL_REQUESTS: [u32; 3] = [0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */, 0x5423 /* TIOCSETD */];

/// Refused whatever the arguments.
const DENIED: &[libc::c_long] = &[
    // namespaces and mounts
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    467, // open_tree_attr
    // files by handle, past every path check
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // large and young parts of the kernel
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // keys of the user's session
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // the machine
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Refused besides where no namespaces are: what programs share by number or name, with whoever knows it.
const SHARED: &[libc::c_long] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Attributes of files, which no wall around paths looks at: access lists are some of them. Programs that copy them do without.
const ATTRIBUTES: &[libc::c_long] = &[
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    463, // setxattrat
    466, // removexattrat
    469, // file_setattr
];

/// `ioctl` requests that change a file or folder that was opened for reading: they ask who owns it, and nothing else.
const OWNER_REQUESTS: [u32; 13] = [
    0x4008_6602, // FS_IOC_SETFLAGS
    0x4004_6602, // the same with 32 bits
    0x4008_7602, // FS_IOC_SETVERSION
    0x401c_5820, // FS_IOC_FSSETXATTR
    0x4080_6685, // FS_IOC_ENABLE_VERITY: nobody can write to the file any more
    0x800c_6613, // FS_IOC_SET_ENCRYPTION_POLICY
    0x4008_941a, // BTRFS_IOC_SUBVOL_SETFLAGS
    0x5000_9401, // BTRFS_IOC_SNAP_CREATE
    0x5000_9417, // the same, second form
    0x5000_940e, // BTRFS_IOC_SUBVOL_CREATE
    0x5000_9418,
    0x5000_940f, // BTRFS_IOC_SNAP_DESTROY
    0x5000_943f,
];

/// `fcntl` command for a lease: whoever opens the file, outside as well, would have to wait for the command.
const LEASE: u32 = 1024;

/// Steer a process whose number is the first argument; 0 is the caller.
const STEERING: &[libc::c_long] =
    &[libc::SYS_sched_setaffinity, libc::SYS_sched_setparam, libc::SYS_sched_setscheduler, libc::SYS_sched_setattr];

/// What is done at one call; must end in a return.
type Rules = BTreeMap<u32, Vec<Instruction>>;

/// Calls that are looked through one by one. As it is put on, the kernel walks the filter once for every call that there is: with
/// groups to pass over, all of that takes two thirds of the time.
const GROUP: usize = 8;

/// The whole filter.
pub(super) fn program(level: Level) -> Vec<Instruction> {
    let mut program = vec![load(ARCHITECTURE), (JUMP_EQUAL, 1, 0, NATIVE), (RETURN, 0, 0, KILL_PROCESS), load(NUMBER)];
    #[cfg(target_arch = "x86_64")]
    program.extend([(JUMP_AT_LEAST, 0, 1, X32), refuse(libc::ENOSYS)]);
    let rules: Vec<(u32, Vec<Instruction>)> = rules(level).into_iter().collect();
    let mut groups = rules.chunks(GROUP).peekable();
    while let Some(group) = groups.next() {
        let row: Vec<Instruction> = group.iter().flat_map(|(number, block)| on(*number, block)).collect();
        if let Some(&[(first, _), ..]) = groups.peek() {
            // Past this group and its end.
            program.push((JUMP_AT_LEAST, distance(row.len() + 1), 0, *first));
        }
        program.extend(row);
        program.push((RETURN, 0, 0, ALLOW));
    }
    program
}

fn rules(level: Level) -> Rules {
    let mut rules = Rules::new();
    let mut on = |number: libc::c_long, block: Vec<Instruction>| {
        rules.insert(u32::try_from(number).unwrap_or(u32::MAX), block);
    };
    for &number in DENIED {
        on(number, vec![refuse(libc::EPERM)]);
    }
    // Its arguments lie in memory, where a filter cannot look: C libraries fall back to clone.
    on(libc::SYS_clone3, vec![refuse(libc::ENOSYS)]);
    on(libc::SYS_clone, flags(NAMESPACES));
    on(libc::SYS_unshare, flags(NAMESPACES | TIME_NAMESPACE));
    on(libc::SYS_fcntl, vec![argument(1), (JUMP_EQUAL, 0, 1, LEASE), refuse(libc::EPERM), (RETURN, 0, 0, ALLOW)]);
    let more: &[u32] = if level >= Level::L2 { &[] } else { &OWNER_REQUESTS };
    on(libc::SYS_ioctl, requests(&[&TERMINAL_REQUESTS, more].concat()));
    on(libc::SYS_setrlimit, core_limit(0, 1));
    let whose = if level >= Level::L2 { not_ours(0) } else { no_other(0) };
    on(libc::SYS_prlimit64, [whose, core_limit(1, 2)].concat());
    if level >= Level::L2 {
        away_from_process_1(&mut on);
    }
    // Pairs are made of any family: the kernel loads its module for that, and of some each half can send elsewhere.
    on(libc::SYS_socketpair, only(0, libc::AF_UNIX));
    match level {
        Level::L3 => on(libc::SYS_socket, sockets()),
        Level::L2 => on(libc::SYS_socket, only(0, libc::AF_UNIX)),
        Level::L1 | Level::L1Weak | Level::L0 => without_namespaces(&mut on),
    }
    rules
}

/// `block` for one call, passed over by any other.
fn on(number: u32, block: &[Instruction]) -> Vec<Instruction> {
    [&[(JUMP_EQUAL, 0, distance(block.len()), number)], block].concat()
}

/// A jump over so many instructions: some hundred at most, and a jump can lead over 255.
fn distance(instructions: usize) -> u8 {
    u8::try_from(instructions).unwrap_or(u8::MAX)
}

fn load(offset: u32) -> Instruction {
    (LOAD, 0, 0, offset)
}

fn argument(index: u32) -> Instruction {
    load(ARGUMENTS + 8 * index)
}

fn refuse(errno: i32) -> Instruction {
    (RETURN, 0, 0, ERRNO | errno.unsigned_abs())
}

/// Refuses where one of `bits` is set in the first argument.
fn flags(bits: u32) -> Vec<Instruction> {
    vec![argument(0), (JUMP_ANY_BIT, 0, 1, bits), refuse(libc::EPERM), (RETURN, 0, 0, ALLOW)]
}

/// Refuses where an argument is not this one.
fn only(index: u32, value: i32) -> Vec<Instruction> {
    vec![argument(index), (JUMP_EQUAL, 1, 0, value.unsigned_abs()), refuse(libc::EPERM), (RETURN, 0, 0, ALLOW)]
}

/// Refuses where an argument, a process, is not the caller; else goes on.
fn no_other(index: u32) -> Vec<Instruction> {
    vec![argument(index), (JUMP_EQUAL, 1, 0, 0), refuse(libc::EPERM)]
}

/// Refuses where an argument, a process, is one that watches the command; else goes on.
fn not_ours(index: u32) -> Vec<Instruction> {
    let [first, second] = OURS;
    vec![argument(index), (JUMP_EQUAL, 1, 0, first), (JUMP_EQUAL, 0, 1, second), refuse(libc::EPERM)]
}

/// The limit on core dumps stays what it is, whatever is asked for: any other than ours hands a crash to the machine's own
/// crash handler, outside and with root's rights. Programs that switch dumps off are told that this was done. `limit` and
/// `value` are the arguments that say which limit and, by an address, what to; without an address it is only read.
fn core_limit(limit: u32, value: u32) -> Vec<Instruction> {
    let (allow, done) = ((RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO));
    let high = load(ARGUMENTS + 8 * value + 4);
    vec![
        argument(limit),
        (JUMP_EQUAL, 0, 4, CORE),
        argument(value),
        (JUMP_EQUAL, 0, 3, 0),
        high,
        (JUMP_EQUAL, 0, 1, 0),
        allow,
        done,
    ]
}

/// Process 1 is of the same user: without this a command could take away what it needs in order to watch it.
fn away_from_process_1(on: &mut impl FnMut(libc::c_long, Vec<Instruction>)) {
    let allow = (RETURN, 0, 0, ALLOW);
    for &number in STEERING {
        on(number, [not_ours(0), vec![allow]].concat());
    }
    // Of a process (here 0, there 1) or of all of a user's (2, 3); the ways between mean groups of processes.
    for (number, process, user) in [(libc::SYS_setpriority, 0, 2), (libc::SYS_ioprio_set, 1, 3)] {
        let which = [argument(0), (JUMP_EQUAL, 0, 1, user), refuse(libc::EPERM), (JUMP_EQUAL, 1, 0, process), allow];
        on(number, [which.to_vec(), not_ours(1), vec![allow]].concat());
    }
}

/// No sockets but pairs, nothing that is shared by name, nothing that reaches other processes by their number.
fn without_namespaces(on: &mut impl FnMut(libc::c_long, Vec<Instruction>)) {
    on(libc::SYS_socket, vec![refuse(libc::EPERM)]);
    for &number in SHARED {
        on(number, vec![refuse(libc::EPERM)]);
    }
    for &number in ATTRIBUTES {
        on(number, vec![refuse(libc::EOPNOTSUPP)]);
    }
    for &number in STEERING {
        on(number, only(0, 0));
    }
    // Of a process (here 0, there 1), the caller.
    for (number, process) in [(libc::SYS_setpriority, 0), (libc::SYS_ioprio_set, 1)] {
        let mut block = vec![argument(0), (JUMP_EQUAL, 1, 0, process), refuse(libc::EPERM)];
        block.extend(only(1, 0));
        on(number, block);
    }
}

/// Refuses these `ioctl` requests.
fn requests(refused: &[u32]) -> Vec<Instruction> {
    let mut block = vec![argument(1)];
    for &request in refused {
        block.extend([(JUMP_EQUAL, 0, 1, request), refuse(libc::EPERM)]);
    }
    block.push((RETURN, 0, 0, ALLOW));
    block
}

/// Unix sockets; TCP and UDP over IPv4 and IPv6 (in a network that leads nowhere). No raw packets, no netlink, vsock, crypto,
/// MPTCP, SCTP and whatever else may come.
fn sockets() -> Vec<Instruction> {
    let (family, kind, protocol) = (argument(0), argument(1), argument(2));
    let allow = (RETURN, 0, 0, ALLOW);
    vec![
        family,
        (JUMP_EQUAL, 0, 1, libc::AF_UNIX.unsigned_abs()),
        allow,
        (JUMP_EQUAL, 2, 0, libc::AF_INET.unsigned_abs()),
        (JUMP_EQUAL, 1, 0, libc::AF_INET6.unsigned_abs()),
        refuse(libc::EAFNOSUPPORT),
        kind,
        (AND, 0, 0, SOCKET_TYPE),
        (JUMP_EQUAL, 2, 0, SOCK_STREAM),
        (JUMP_EQUAL, 1, 0, SOCK_DGRAM),
        refuse(libc::EPERM),
        protocol,
        (JUMP_EQUAL, 3, 0, 0),
        (JUMP_EQUAL, 2, 0, libc::IPPROTO_TCP.unsigned_abs()),
        (JUMP_EQUAL, 1, 0, libc::IPPROTO_UDP.unsigned_abs()),
        refuse(libc::EPROTONOSUPPORT),
        allow,
    ]
}
