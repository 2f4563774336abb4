/*
 * mtadrop DIRECTORY LENGTH: puts LENGTH bytes from stdin into a new file in a maildrop directory. It may be installed setgid, so that any
 * user's mail gets in where users cannot write or look themselves; hence it is small, uses nothing of ours and trusts nothing that it is given:
 * with another group's rights it writes only into directories that belong to that group and that others cannot write to.
 *
 * The file has mode 0600 while it is written and 0700 when it is complete and on the disk; only then does mtad take it.
 * Exit status: 0, 64 usage, 65 too little input, 73 cannot make the file, 75 cannot write it, 77 not such a directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH_MAX	((unsigned long long)4 << 30)
#define NAME_SIZE	40

static int
complain(int status, const char *what)
{
	fprintf(stderr, "mtadrop: %s: %s\n", what, strerror(errno));
	return status;
}

/* Descriptors 0 to 2 must be something, or the message's file would become one of them. */
static bool
have_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return false;
	return true;
}

/* The caller's limits and signal settings came along; a limit on file size must end in an error, not in a signal. */
static void
settle(void)
{
	struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
	static const int ignored[] = { SIGXFSZ, SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM };

	(void)setrlimit(RLIMIT_CORE, &none);
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)umask(077);
}

static bool
parse_length(const char *text, unsigned long long *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *out <= LENGTH_MAX;
}

static int
open_directory(const char *path)
{
	bool privileged = getegid() != getgid();
	struct stat st;
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && (!privileged || (st.st_gid == getegid() && (st.st_mode & S_IWOTH) == 0)))
		return fd;
	errno = EPERM;
	close(fd);
	return -1;
}

static int
make_file(int dir, char name[NAME_SIZE])
{
	for (int tries = 0; tries < 20; tries++) {
		unsigned long long random[2];
		if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
			return -1;
		snprintf(name, NAME_SIZE, "%016llx%016llx", random[0], random[1]);
		int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

static bool
write_all(int fd, const char *p, size_t left)
{
	while (left > 0) {
		ssize_t n = write(fd, p, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		left -= (size_t)n;
	}
	return true;
}

static int
copy(int fd, unsigned long long left)
{
	static char bytes[65536];

	while (left > 0) {
		size_t want = left < sizeof bytes ? (size_t)left : sizeof bytes;
		ssize_t n = read(STDIN_FILENO, bytes, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fputs("mtadrop: the message is cut short\n", stderr);
			return 65;
		}
		if (!write_all(fd, bytes, (size_t)n))
			return complain(75, "cannot write the message");
		left -= (unsigned long long)n;
	}
	return 0;
}

static int
finish(int fd)
{
	if (fsync(fd) < 0)
		return complain(75, "cannot sync the message");
	if (fchmod(fd, 0700) < 0)
		return complain(75, "cannot set the message's mode");
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned long long length;
	char name[NAME_SIZE];
	int status;

	if (!have_standard_descriptors())
		return 71;
	settle();
	if (argc != 3 || !parse_length(argv[2], &length)) {
		fputs("usage: mtadrop DIRECTORY LENGTH <MESSAGE\n", stderr);
		return 64;
	}
	int dir = open_directory(argv[1]);
	if (dir < 0)
		return complain(77, argv[1]);
	int fd = make_file(dir, name);
	if (fd < 0)
		return complain(errno == EACCES || errno == EPERM ? 77 : 73, "cannot make a file");
	status = copy(fd, length);
	if (status == 0)
		status = finish(fd);
	if (status != 0)
		(void)unlinkat(dir, name, 0);
	return status;
}
