/*
 * Time that a test moves on: loaded into nginx, and redis-server, by
 * LD_PRELOAD.
 *
 * What the kernel says of the time is put forward by what the file that
 * LLMOPS_CLOCK names has in its first eight bytes: nanoseconds, which the test
 * writes while others read.  The file is mapped at the start and so is shared
 * by all workers, whatever becomes of the environment.  An aligned word is
 * stored at once, so nobody reads a half of it; the test only ever makes it
 * larger, so no clock runs backwards.  The next eight bytes are by how much
 * somebody has set the time of day, which may be back.
 *
 * Who waits for his nearest timer would sleep through a jump: nobody waits for
 * longer than CLOCK_LOOK at a time.  Event loops take the early return for a
 * timer that has been rounded down.  Without any timer there is nothing to be
 * late for, and nginx takes a return without an event for an error: such waits
 * stay as they are.
 *
 * The kernel is asked by syscall(), not by the next function of the same name:
 * that may be a sanitizer's, which is not ready when the first caller comes.
 */


#define _GNU_SOURCE

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


#define CLOCK_LOOK  20                     /* ms */
#define SECOND      1000000000ll           /* ns */


/* nanoseconds: all clocks, the time of day; NULL: it is as late as it is */

static const volatile int64_t  *ahead;


__attribute__((constructor)) static void
clock_open(void)
{
    int          fd;
    void        *p;
    const char  *path;

    path = getenv("LLMOPS_CLOCK");
    fd = path ? open(path, O_RDONLY|O_CLOEXEC) : -1;

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);

    if (p != MAP_FAILED) {
        ahead = p;
    }

    (void) close(fd);
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int64_t  ns;

    if (syscall(SYS_clock_gettime, id, ts) != 0) {
        return -1;
    }

    if (ahead == NULL || id == CLOCK_PROCESS_CPUTIME_ID
        || id == CLOCK_THREAD_CPUTIME_ID)
    {
        return 0;
    }

    ns = ts->tv_sec * SECOND + ts->tv_nsec + ahead[0];

    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) {
        ns += ahead[1];
    }

    ts->tv_sec = ns / SECOND;
    ts->tv_nsec = ns % SECOND;

    return 0;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;                             /* nobody asks for it any more */

    if (clock_gettime(CLOCK_REALTIME, &ts) != 0) {
        return -1;
    }

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}


time_t
time(time_t *t)
{
    struct timespec  ts;

    if (clock_gettime(CLOCK_REALTIME, &ts) != 0) {
        return (time_t) -1;
    }

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}


int
epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
    if (timeout > CLOCK_LOOK) {
        timeout = CLOCK_LOOK;
    }

    return (int) syscall(SYS_epoll_pwait, fd, events, n, timeout, NULL, 0);
}
