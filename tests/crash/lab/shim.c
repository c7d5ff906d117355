/* The shim: an LD_PRELOAD library that counts the calls by which a process changes files below one directory (and what
 * it sends over the network), for all of its threads together, and strikes at the Nth: it kills the process there, or
 * makes the call fail, once or for good, or takes half of a write.
 *
 * What it saw stands in a block of shared memory (a file named by LAB_BLOCK), so that it outlives the process. It counts
 * nothing until lab_arm() is called, which a child does after fork(), so that one warm interpreter serves many runs.
 * shim.py holds the same layout; test_lab_shim.py holds both to it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPEN, CREATE, WRITE, FDATASYNC, FSYNC, RENAME, LINK, UNLINK, TRUNCATE, FALLOCATE, CLOSE, MKDIR, SEND, CLASSES };
enum { NOTHING, KILL, FAIL, SHORT, HALF };

#define CALLS 16384
#define SYNCS 64
#define FILES 4096
#define NAME 96
#define PATH 256

struct call {
  int32_t kind;
  char path[NAME]; /* below the root */
};

struct sync { /* one that was made to fail, or one that followed on it */
  int32_t retry;
  int32_t error;
  int64_t time;      /* CLOCK_MONOTONIC, ns */
  int64_t good_size; /* of a regular file when it was last synced; -1: a directory */
  char path[PATH];
};

struct block {
  _Atomic int64_t count;
  int64_t nth;
  int32_t action, error;
  int32_t again; /* how many calls after the Nth fail as well; -1: all */
  uint32_t again_mask;
  _Atomic int32_t struck;
  int32_t struck_kind;
  int64_t struck_time;
  _Atomic int32_t syncs;
  int32_t pad;
  struct sync sync[SYNCS];
  struct call call[CALLS];
};

static struct block *block;
static _Atomic int armed;
static char root[PATH_MAX];
static size_t root_size;
static char names[FILES][NAME];
static _Atomic unsigned char watched[FILES];

static struct { /* what is known of files that were synced; small, and only for regular files and directories below */
  dev_t dev;
  ino_t ino;
  int64_t size;
  int failed;
} known[FILES];
static int known_count;
static _Atomic int known_lock;

#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Map the block, watch what lies below `path`, and count from here. */
int lab_arm(const char *path) {
  const char *file = getenv("LAB_BLOCK");
  if (!file || strlen(path) >= sizeof root) return -1;
  REAL(open);
  int fd = real(file, O_RDWR | O_CLOEXEC);
  if (fd < 0) return -1;
  block = mmap(NULL, sizeof *block, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  {
    REAL(close);
    real(fd);
  }
  if (block == MAP_FAILED) return -1;
  strcpy(root, path);
  root_size = strlen(root);
  known_count = 0;
  atomic_store(&armed, 1);
  return 0;
}

/* A new life begins in this process: what failed before is history. */
void lab_forget(void) {
  for (int at = 0; at < known_count; at++) known[at].failed = 0;
}

size_t lab_block_size(void) { return sizeof(struct block); }

static const char *below(const char *path) {
  static __thread char whole[2 * PATH_MAX];
  if (!path) return NULL;
  if (path[0] != '/') {
    if (!getcwd(whole, PATH_MAX)) return NULL;
    strncat(whole, "/", 2);
    strncat(whole, path, PATH_MAX - 1);
    path = whole;
  }
  if (strncmp(path, root, root_size) || path[root_size] != '/') return NULL;
  return path + root_size + 1;
}

static const char *name_of(int fd) { return fd >= 0 && fd < FILES && watched[fd] ? names[fd] : NULL; }

static void watch(int fd) {
  char link[64], path[PATH_MAX];
  if (fd < 0 || fd >= FILES) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return;
  path[size] = 0;
  const char *name = below(path);
  if (!name && strcmp(path, root) == 0) name = ".";
  if (name) {
    strncpy(names[fd], name, NAME - 1);
    atomic_store(&watched[fd], 1);
  }
}

static int known_at(const struct stat *s);

/* A new file may have the number of one that is gone. */
static void born(int fd) {
  struct stat s;
  if (!name_of(fd) || fstat(fd, &s)) return;
  int at = known_at(&s);
  known[at].size = 0, known[at].failed = 0;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* A call of this kind is about to be made: what shall become of it? `error` is set for FAIL. */
static int strike(int kind, const char *name, int *error) {
  if (!name || !atomic_load(&armed)) return NOTHING;
  int64_t number = atomic_fetch_add(&block->count, 1) + 1;
  if (number <= CALLS) {
    block->call[number - 1].kind = kind;
    strncpy(block->call[number - 1].path, name, NAME - 1);
  }
  if (number == block->nth && block->action != NOTHING) {
    block->struck_kind = kind;
    block->struck_time = now();
    atomic_store(&block->struck, 1);
    if (block->action == KILL || (block->action == HALF && kind != WRITE && kind != SEND)) die();
    if (block->action == SHORT && kind != WRITE) return NOTHING;
    *error = block->error;
    return block->action;
  }
  if (number > block->nth && atomic_load(&block->struck) && block->again &&
      (block->again_mask >> kind & 1 || kind == block->struck_kind)) {
    if (block->action != FAIL && block->action != SHORT) return NOTHING;
    if (block->action == SHORT && kind != WRITE) return NOTHING;
    if (block->again > 0) block->again--;
    *error = block->error;
    return block->action;
  }
  return NOTHING;
}

static int fails(int kind, const char *name) {
  int error = 0, saved = errno;
  if (strike(kind, name, &error) == FAIL) {
    errno = error;
    return 1;
  }
  errno = saved;
  return 0;
}

/* -- syncs: which failed, and which were tried again on a file whose sync had failed -- */

static void note_sync(const char *name, int retry, int error, int64_t good_size) {
  int at = atomic_fetch_add(&block->syncs, 1);
  if (at >= SYNCS) return;
  struct sync *it = &block->sync[at];
  it->retry = retry, it->error = error, it->time = now(), it->good_size = good_size;
  strncpy(it->path, name, PATH - 1);
}

static int known_at(const struct stat *s) {
  int at = 0;
  while (atomic_exchange(&known_lock, 1)) usleep(10);
  while (at < known_count && (known[at].dev != s->st_dev || known[at].ino != s->st_ino)) at++;
  if (at == known_count) {
    if (known_count < FILES - 1) known_count++;
    known[at].dev = s->st_dev, known[at].ino = s->st_ino, known[at].size = s->st_size, known[at].failed = 0;
  }
  atomic_store(&known_lock, 0);
  return at;
}

static int syncs(int kind, int fd, int (*real)(int)) {
  const char *name = atomic_load(&armed) ? name_of(fd) : NULL;
  if (!name) return real(fd);
  struct stat s;
  int result, error = 0;
  fstat(fd, &s);
  int at = known_at(&s);
  int failed_before = known[at].failed;
  int64_t good = known[at].size;
  if (failed_before) note_sync(name, 1, failed_before, good);
  if (strike(kind, name, &error) == FAIL) {
    note_sync(name, 0, error, S_ISDIR(s.st_mode) ? -1 : good);
    known[at].failed = error;
    errno = error;
    return -1;
  }
  fstat(fd, &s);
  result = real(fd);
  if (result == 0) known[at].size = s.st_size;
  return result;
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return syncs(FDATASYNC, fd, real);
}

int fsync(int fd) {
  REAL(fsync);
  return syncs(FSYNC, fd, real);
}

/* -- open and close -- */

#define OPENS(function) \
  int function(const char *path, int flags, ...) { \
    REAL(function); \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
      va_list rest; \
      va_start(rest, flags); \
      mode = va_arg(rest, mode_t); \
      va_end(rest); \
    } \
    if (!atomic_load(&armed)) return real(path, flags, mode); \
    if (fails(flags & O_CREAT ? CREATE : OPEN, below(path))) return -1; \
    int fd = real(path, flags, mode); \
    watch(fd); \
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) born(fd); \
    return fd; \
  }
OPENS(open)
OPENS(open64)

#define OPENATS(function) \
  int function(int at, const char *path, int flags, ...) { \
    REAL(function); \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
      va_list rest; \
      va_start(rest, flags); \
      mode = va_arg(rest, mode_t); \
      va_end(rest); \
    } \
    if (!atomic_load(&armed)) return real(at, path, flags, mode); \
    if (fails(flags & O_CREAT ? CREATE : OPEN, path[0] == '/' || at == AT_FDCWD ? below(path) : name_of(at))) return -1; \
    int fd = real(at, path, flags, mode); \
    watch(fd); \
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) born(fd); \
    return fd; \
  }
OPENATS(openat)
OPENATS(openat64)

int close(int fd) {
  REAL(close);
  const char *name = atomic_load(&armed) ? name_of(fd) : NULL;
  if (!name) return real(fd);
  int failed = fails(CLOSE, name), error = errno;
  atomic_store(&watched[fd], 0);
  int result = real(fd); /* as Linux does it: the descriptor is gone in either case */
  if (!failed) return result;
  errno = error;
  return -1;
}

/* -- writes: `part` is how much of it is done -- */

static int writes(int kind, const char *name, size_t size, size_t *part, int *then_die) {
  int error = 0, saved = errno;
  *part = size, *then_die = 0;
  switch (strike(kind, name, &error)) {
  case FAIL:
    errno = error;
    return 1;
  case SHORT:
    *part = size > 1 ? size / 2 : size;
    break;
  case HALF:
    *part = size / 2, *then_die = 1;
    break;
  }
  errno = saved;
  return 0;
}

static size_t total(const struct iovec *v, int n) {
  size_t size = 0;
  for (int i = 0; i < n; i++) size += v[i].iov_len;
  return size;
}

static int cut(const struct iovec *v, int n, size_t part, struct iovec *out) {
  int i = 0;
  for (; i < n && part; i++) {
    out[i] = v[i];
    if (out[i].iov_len > part) out[i].iov_len = part;
    part -= out[i].iov_len;
  }
  return i;
}

#define BUFFER_WRITE(function, kind, name, parameters, call, size) \
  ssize_t function parameters { \
    REAL(function); \
    const char *which = atomic_load(&armed) ? name : NULL; \
    size_t part = size, whole = size; \
    int then_die = 0; \
    if (which && writes(kind, which, whole, &part, &then_die)) return -1; \
    ssize_t done = part || !whole ? real call : 0; \
    if (then_die) die(); \
    return done; \
  }
BUFFER_WRITE(write, WRITE, name_of(fd), (int fd, const void *b, size_t n), (fd, b, part), n)
BUFFER_WRITE(pwrite, WRITE, name_of(fd), (int fd, const void *b, size_t n, off_t o), (fd, b, part, o), n)
BUFFER_WRITE(pwrite64, WRITE, name_of(fd), (int fd, const void *b, size_t n, off64_t o), (fd, b, part, o), n)

#define VECTOR_WRITE(function, parameters, call) \
  ssize_t function parameters { \
    REAL(function); \
    const char *which = atomic_load(&armed) ? name_of(fd) : NULL; \
    size_t part = 0; \
    int then_die = 0; \
    struct iovec out[IOV_MAX]; \
    if (which) { \
      if (writes(WRITE, which, total(v, n), &part, &then_die)) return -1; \
      n = cut(v, n, part, out); \
      v = out; \
    } \
    ssize_t done = n ? real call : 0; \
    if (then_die) die(); \
    return done; \
  }
VECTOR_WRITE(writev, (int fd, const struct iovec *v, int n), (fd, v, n))
VECTOR_WRITE(pwritev, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o))
VECTOR_WRITE(pwritev64, (int fd, const struct iovec *v, int n, off64_t o), (fd, v, n, o))
VECTOR_WRITE(pwritev2, (int fd, const struct iovec *v, int n, off_t o, int f), (fd, v, n, o, f))
VECTOR_WRITE(pwritev64v2, (int fd, const struct iovec *v, int n, off64_t o, int f), (fd, v, n, o, f))

/* -- what goes to other hosts: never failed, only a moment to die at -- */

static const char *peer(int fd) {
  struct sockaddr_storage a;
  socklen_t size = sizeof a;
  int saved = errno;
  const char *name = NULL;
  if (getsockname(fd, (struct sockaddr *)&a, &size) == 0 && (a.ss_family == AF_INET || a.ss_family == AF_INET6))
    name = "network";
  errno = saved;
  return name;
}

#define SENDS(function, parameters, call) \
  ssize_t function parameters { \
    REAL(function); \
    int error; \
    if (atomic_load(&armed) && (block->action == KILL || block->action == NOTHING || block->action == HALF)) { \
      const char *which = peer(fd); \
      int what = which ? strike(SEND, which, &error) : NOTHING; \
      ssize_t done = real call; \
      if (what == HALF) die(); /* the octets are out, and it does not know */ \
      return done; \
    } \
    return real call; \
  }
SENDS(send, (int fd, const void *b, size_t n, int f), (fd, b, n, f))
SENDS(sendmsg, (int fd, const struct msghdr *m, int f), (fd, m, f))
SENDS(sendto, (int fd, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t s), (fd, b, n, f, a, s))

/* -- names -- */

#define NAMES(function, kind, name, parameters, call) \
  int function parameters { \
    REAL(function); \
    if (atomic_load(&armed) && fails(kind, name)) return -1; \
    return real call; \
  }
NAMES(rename, RENAME, below(b), (const char *a, const char *b), (a, b))
NAMES(renameat, RENAME, below(b), (int x, const char *a, int y, const char *b), (x, a, y, b))
NAMES(renameat2, RENAME, below(b), (int x, const char *a, int y, const char *b, unsigned f), (x, a, y, b, f))
NAMES(link, LINK, below(b), (const char *a, const char *b), (a, b))
NAMES(linkat, LINK, below(b), (int x, const char *a, int y, const char *b, int f), (x, a, y, b, f))
NAMES(unlink, UNLINK, below(a), (const char *a), (a))
NAMES(unlinkat, UNLINK, below(a), (int x, const char *a, int f), (x, a, f))
NAMES(mkdir, MKDIR, below(a), (const char *a, mode_t m), (a, m))
NAMES(mkdirat, MKDIR, below(a), (int x, const char *a, mode_t m), (x, a, m))
NAMES(ftruncate, TRUNCATE, name_of(fd), (int fd, off_t n), (fd, n))
NAMES(ftruncate64, TRUNCATE, name_of(fd), (int fd, off64_t n), (fd, n))
NAMES(fallocate, FALLOCATE, name_of(fd), (int fd, int m, off_t o, off_t n), (fd, m, o, n))
NAMES(fallocate64, FALLOCATE, name_of(fd), (int fd, int m, off64_t o, off64_t n), (fd, m, o, n))

#define POSIX_FALLOCATE(function, offset) \
  int function(int fd, offset o, offset n) { \
    REAL(function); \
    if (atomic_load(&armed) && fails(FALLOCATE, name_of(fd))) return errno; \
    return real(fd, o, n); \
  }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)
