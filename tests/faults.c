/* Faults of disk and clock in a process, by LD_PRELOAD; tests/faults.py steers it through `fault`. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *under; /* folder whose files are concerned, with a slash at its end */
static const char *kind;
static long at, by, on_files, of_clock; /* the last two: calls so far */

/* From now on: error, EIO from a call on files on; once, EIO at one; slow, each waits; clock, from a
   call of the clock on it is wrong. `of` is the number of that call, `size` the seconds of the jump,
   or the most microseconds of a wait. */
void fault(const char *folder, const char *name, long of, long size) {
    at = of, by = size, on_files = of_clock = 0;
    kind = name ? strdup(name) : 0;
    under = folder ? strdup(folder) : 0;
}

long calls(int clock) { return clock ? of_clock : on_files; }

static int concerned(int folder, const char *path) {
    char place[8192] = "", link[64];
    if (!under) return 0;
    if (!path || path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (!getcwd(place, 4000)) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            if (readlink(link, place, 4000) < 0) return 0;
        }
        strcat(place, "/");
    }
    if (path) strncat(place, path, 4000);
    return !strncmp(place, under, strlen(under));
}

/* Whether a call on a file fails. */
static int fails(int folder, const char *path) {
    int kept = errno, error = 0;
    if (concerned(folder, path)) {
        long number = __atomic_add_fetch(&on_files, 1, __ATOMIC_SEQ_CST);
        if (!strcmp(kind, "slow")) usleep(number * 7919 % by);
        error = (!strcmp(kind, "once") && number == at) || (!strcmp(kind, "error") && number >= at);
    }
    errno = error ? EIO : kept;
    return error;
}

static long wrong_by(void) {
    if (!under) return 0;
    long number = __atomic_add_fetch(&of_clock, 1, __ATOMIC_SEQ_CST);
    return !strcmp(kind, "clock") && number >= at ? by : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_PATH(type, name, path, bad, given, passed) \
    type name given { return fails(AT_FDCWD, path) ? bad : REAL(name) passed; }
#define IN_FOLDER(type, name, given, passed) \
    type name given { return fails(folder, path) ? -1 : REAL(name) passed; }
#define ON_FILE(type, name, given, passed) \
    type name given { return fails(file, 0) ? -1 : REAL(name) passed; }
#define OPENS(name, folder, first, ...) \
    int name first { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        return fails(folder, path) ? -1 : REAL(name)(__VA_ARGS__, flags, mode); \
    }

OPENS(open, AT_FDCWD, (const char *path, int flags, ...), path)
OPENS(open64, AT_FDCWD, (const char *path, int flags, ...), path)
OPENS(openat, folder, (int folder, const char *path, int flags, ...), folder, path)
OPENS(openat64, folder, (int folder, const char *path, int flags, ...), folder, path)
ON_PATH(FILE *, fopen, path, 0, (const char *path, const char *mode), (path, mode))
ON_PATH(FILE *, fopen64, path, 0, (const char *path, const char *mode), (path, mode))
ON_PATH(DIR *, opendir, path, 0, (const char *path), (path))
ON_PATH(int, mkdir, path, -1, (const char *path, mode_t mode), (path, mode))
ON_PATH(int, unlink, path, -1, (const char *path), (path))
ON_PATH(int, rmdir, path, -1, (const char *path), (path))
ON_PATH(int, rename, to, -1, (const char *from, const char *to), (from, to))
ON_PATH(int, stat, path, -1, (const char *path, struct stat *found), (path, found))
ON_PATH(int, stat64, path, -1, (const char *path, struct stat64 *found), (path, found))
ON_PATH(int, lstat64, path, -1, (const char *path, struct stat64 *found), (path, found))
IN_FOLDER(int, fstatat64, (int folder, const char *path, struct stat64 *found, int flags),
          (folder, path, found, flags))
IN_FOLDER(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
ON_FILE(ssize_t, read, (int file, void *to, size_t size), (file, to, size))
ON_FILE(ssize_t, write, (int file, const void *from, size_t size), (file, from, size))
ON_FILE(ssize_t, writev, (int file, const struct iovec *from, int count), (file, from, count))
ON_FILE(int, fsync, (int file), (file))
ON_FILE(int, ftruncate64, (int file, off64_t size), (file, size))

int posix_fallocate64(int file, off64_t start, off64_t size) {
    return fails(file, 0) ? EIO : REAL(posix_fallocate64)(file, start, size);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = REAL(clock_gettime)(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += wrong_by();
    return code;
}

int gettimeofday(struct timeval *now, void *zone) {
    int code = REAL(gettimeofday)(now, zone);
    now->tv_sec += wrong_by();
    return code;
}

time_t time(time_t *to) {
    time_t now = REAL(time)(0) + wrong_by();
    if (to) *to = now;
    return now;
}
