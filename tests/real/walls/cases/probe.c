/* Acts that no everyday tool performs, one a sub-command. Ends with 0 when the act succeeded, with 1 when it was refused (and says
 * how), with 2 when it was asked for nonsense. Built by the tests; run behind the walls, and without them as the control. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define WORD 32

static int refused(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static int done(long result, const char *what) { return result < 0 ? refused(what) : 0; }

/* Holds a word in memory, in shared memory and in a queue (none where its name is empty), says where, and waits to be ended. */
static int hold(const char *word, const char *queue) {
    static char held[WORD];
    strncpy(held, word, WORD - 1);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    int segment = shmget(IPC_PRIVATE, WORD, IPC_CREAT | 0600);
    if (segment < 0) return refused("shmget");
    char *shared = shmat(segment, NULL, 0);
    if (shared == (char *)-1) return refused("shmat");
    strncpy(shared, word, WORD - 1);
    /* It can still be attached, and goes with this process. */
    shmctl(segment, IPC_RMID, NULL);
    struct mq_attr shape = {.mq_maxmsg = 1, .mq_msgsize = WORD};
    mqd_t letters = *queue ? mq_open(queue, O_CREAT | O_RDWR | O_NONBLOCK, 0600, &shape) : 0;
    if (letters == (mqd_t)-1) return refused("mq_open");
    if (*queue && mq_send(letters, held, WORD, 0) < 0 && errno != EAGAIN) return refused("mq_send");
    printf("%d %lu %d\n", getpid(), (unsigned long)held, segment);
    fflush(stdout);
    for (;;) pause();
}

static int process_memory(int write, pid_t pid, unsigned long at) {
    char word[WORD] = "overwritten";
    struct iovec here = {word, WORD}, there = {(void *)at, WORD};
    long result = write ? process_vm_writev(pid, &here, 1, &there, 1, 0) : process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (result >= 0 && !write) printf("%s\n", word);
    return done(result, write ? "process_vm_writev" : "process_vm_readv");
}

static int memory_file(pid_t pid, unsigned long at) {
    char path[64], word[WORD] = "overwritten";
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int file = open(path, O_RDWR);
    return file < 0 ? refused(path) : done(pwrite(file, word, WORD, (off_t)at), "pwrite");
}

static int take_descriptor(pid_t pid, int number) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0) return refused("pidfd_open");
    return done(syscall(SYS_pidfd_getfd, process, number, 0), "pidfd_getfd");
}

static int trace(pid_t pid) {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0) return refused("ptrace");
    return done(ptrace(PTRACE_INTERRUPT, pid, 0, 0), "interrupt");
}

/* Finds a file by its handle alone, past every path. */
static int handle(const char *path, int reopen) {
    union {
        struct file_handle handle;
        char room[sizeof(struct file_handle) + 128];
    } of = {.handle = {.handle_bytes = 128}};
    int mount;
    if (name_to_handle_at(AT_FDCWD, path, &of.handle, &mount, 0) < 0) return refused("name_to_handle_at");
    if (!reopen) return 0;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    int at = open(folder, O_RDONLY | O_DIRECTORY);
    return at < 0 ? refused(folder) : done(open_by_handle_at(at, &of.handle, O_RDONLY), "open_by_handle_at");
}

/* Every way to change mounts, with arguments that work where the right is there; `place` is an empty folder. */
static int mounts(const char *how, const char *place) {
    if (!strcmp(how, "mount")) return done(mount("none", place, "tmpfs", 0, NULL), how);
    if (!strcmp(how, "bind")) return done(mount(place, place, NULL, MS_BIND, NULL), how);
    if (!strcmp(how, "remount")) return done(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL), how);
    if (!strcmp(how, "umount")) {
        /* Where mounting is refused, the folder of its own that every command has must do. */
        const char *mounted = mount("none", place, "tmpfs", 0, NULL) < 0 ? "/tmp" : place;
        return done(umount2(mounted, MNT_DETACH), how);
    }
    if (!strcmp(how, "chroot")) return done(chroot(place), how);
    if (!strcmp(how, "fsopen")) return done(syscall(SYS_fsopen, "tmpfs", 0), how);
    if (!strcmp(how, "open_tree")) return done(syscall(SYS_open_tree, AT_FDCWD, place, 1 /* OPEN_TREE_CLONE */), how);
    if (!strcmp(how, "pivot_root")) {
        if (mount(place, place, NULL, MS_BIND, NULL) < 0) return refused("bind");
        return done(chdir(place) < 0 ? -1 : syscall(SYS_pivot_root, ".", "."), how);
    }
    if (!strcmp(how, "move_mount")) {
        long made = syscall(SYS_fsopen, "tmpfs", 0);
        if (made < 0) return refused("fsopen");
        syscall(SYS_fsconfig, made, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0);
        long tree = syscall(SYS_fsmount, made, 0, 0);
        return done(syscall(SYS_move_mount, tree, "", AT_FDCWD, place, 4 /* MOVE_MOUNT_F_EMPTY_PATH */), how);
    }
    return 2;
}

/* Runs a program from memory, where no rule about paths applies. */
static int from_memory(char **program) {
    int from = open(program[0], O_RDONLY), memory = memfd_create("program", MFD_CLOEXEC);
    struct stat about;
    if (from < 0 || memory < 0 || fstat(from, &about) < 0) return refused(program[0]);
    void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, from, 0);
    if (bytes == MAP_FAILED || write(memory, bytes, (size_t)about.st_size) != about.st_size) return refused("memory");
    fexecve(memory, program, environ);
    return refused("fexecve");
}

/* Types a character into the terminal that this process belongs to. */
static int type(void) {
    int terminal = open("/dev/tty", O_RDWR);
    return terminal < 0 ? refused("/dev/tty") : done(ioctl(terminal, TIOCSTI, "x"), "TIOCSTI");
}

static int read_segment(int segment) {
    char *shared = shmat(segment, NULL, SHM_RDONLY);
    if (shared == (char *)-1) return refused("shmat");
    printf("%s\n", shared);
    return 0;
}

static int read_queue(const char *name) {
    char word[WORD];
    mqd_t letters = mq_open(name, O_RDONLY | O_NONBLOCK);
    if (letters == (mqd_t)-1) return refused("mq_open");
    if (mq_receive(letters, word, WORD, NULL) < 0) return refused("mq_receive");
    printf("%s\n", word);
    return 0;
}

/* Listens without binding: the kernel chooses a port on every interface. */
static int listen_unbound(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    return listener < 0 ? refused("socket") : done(listen(listener, 1), "listen");
}

int main(int count, char **words) {
    const char *act = count > 1 ? words[1] : "";
    const char *one = count > 2 ? words[2] : "";
    long first = atol(one);
    unsigned long second = count > 3 ? strtoul(words[3], NULL, 10) : 0;
    if (!strcmp(act, "hold") && count > 3) return hold(one, words[3]);
    if (!strcmp(act, "vm-read")) return process_memory(0, (pid_t)first, second);
    if (!strcmp(act, "vm-write")) return process_memory(1, (pid_t)first, second);
    if (!strcmp(act, "mem-write")) return memory_file((pid_t)first, second);
    if (!strcmp(act, "getfd")) return take_descriptor((pid_t)first, (int)second);
    if (!strcmp(act, "trace")) return trace((pid_t)first);
    if (!strcmp(act, "name-handle")) return handle(one, 0);
    if (!strcmp(act, "open-handle")) return handle(one, 1);
    if (!strcmp(act, "mounts") && count > 3) return mounts(one, words[3]);
    if (!strcmp(act, "memory") && count > 2) return from_memory(words + 2);
    if (!strcmp(act, "type")) return type();
    if (!strcmp(act, "shm-read")) return read_segment((int)first);
    if (!strcmp(act, "mq-read")) return read_queue(one);
    if (!strcmp(act, "mq-remove")) return done(mq_unlink(one), "mq_unlink");
    if (!strcmp(act, "listen")) return listen_unbound();
    if (!strcmp(act, "user")) return printf("%u %u\n", getuid(), geteuid()) < 0;
    return 2;
}
