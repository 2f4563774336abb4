/*
 * A message into maildrop/, through mtadrop: nobody answers on the submission socket.
 */
#include "mtactl/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "mail/address.h"

/* docs/architecture.md describes the format. */
static void
put_head(struct buf *out, const struct mail *m)
{
	buf_str(out, "mtad-drop 1\nfrom <");
	address_quote(out, m->sender);
	buf_str(out, ">\n");
	for (size_t i = 0; i < m->rcpt_count; i++) {
		buf_str(out, "to <");
		address_quote(out, m->rcpts[i]);
		buf_str(out, ">\n");
	}
	if (m->notify != NULL)
		buf_printf(out, "notify %s\n", m->notify);
	if (m->ret != NULL)
		buf_printf(out, "ret %s\n", m->ret);
	if (m->envid != NULL)
		buf_printf(out, "envid %s\n", m->envid);
	if (m->verp != NULL)
		buf_printf(out, "verp %s\n", m->verp);
	if (m->body != NULL)
		buf_printf(out, "body %s\n", m->body);
	buf_char(out, '\n');
}

/* Beside this program first: an instance that was built and not installed has it there. Then where `make install` puts it. */
static void
find_program(const char *command_directory, struct buf *out)
{
	static const char *const places[] = { "mtadrop", "../libexec/mtad/mtadrop" };
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	for (size_t i = 0; n > 0 && i < sizeof places / sizeof places[0]; i++) {
		struct span path = span_of(self, (size_t)n);
		buf_reset(out);
		buf_span(out, span_head(path, span_rfind(path, '/')));
		buf_printf(out, "/%s", places[i]);
		if (access(out->ptr, X_OK) == 0)
			return;
	}
	buf_reset(out);
	buf_printf(out, "%s/mtadrop", command_directory);
}

static pid_t
start(const char *program, const char *maildrop, size_t length, int *to)
{
	char text[32];
	int ends[2];
	pid_t pid;

	snprintf(text, sizeof text, "%zu", length);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		char name[] = "mtadrop";
		char *empty[] = { NULL };
		char *argv[] = { name, NULL, text, NULL };
		argv[1] = strdup(maildrop);
		if (argv[1] != NULL && dup2(ends[0], STDIN_FILENO) >= 0)
			(void)execve(program, argv, empty);
		fprintf(stderr, "%s: %s\n", program, strerror(errno));
		_exit(EX_LATER);
	}
	close(ends[0]);
	*to = ends[1];
	if (pid < 0)
		close(ends[1]);
	return pid;
}

static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_BUG;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_LATER;
}

int
mail_drop(const struct mail *m, const char *maildrop, const char *command_directory)
{
	struct buf head = BUF_INIT(0), program = BUF_INIT(8192);
	int to = -1, status = EX_LATER;

	put_head(&head, m);
	find_program(command_directory, &program);
	fflush(stderr);
	pid_t pid = start(program.ptr, maildrop, head.len + m->content.len, &to);
	if (pid > 0) {
		(void)(io_write_all(to, buf_view(&head)) && io_write_all(to, buf_view(&m->content)));
		close(to);
		status = wait_for(pid);
	}
	buf_clear(&head);
	buf_clear(&program);
	if (status != EX_FINE)
		fprintf(stderr, "%s: mtad takes no mail now, and the message could not be left in %s for it\n",
		    m->program, maildrop);
	return status == EX_FINE || status == EX_NO_RIGHT ? status : EX_LATER;
}
