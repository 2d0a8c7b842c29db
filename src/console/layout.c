/*
 * layout.c
 *		Asks a process that has Graphviz, and remembers what it has answered.
 *
 * The layout of a graph does not depend on the states of its steps, so a page that
 * follows an execution asks once.  At most two processes run at a time: who comes
 * later has the layout of the database, and does not wait.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "clock.h"
#include "layout.h"
#include "text.h"

#define REMEMBERED		64
#define MAX_PROCESSES	2
#define MAX_ANSWER		(512 * 1024)
/* Seconds: a process that has not had its processor time by then is given up */
#define PATIENCE		30
/* Seconds after which a question that had no answer is asked again */
#define ASK_AGAIN		300

typedef struct Remembered
{
	char	   *question;
	char	   *answer;			/* NULL: there was none */
	time_t		used;
	time_t		asked;
} Remembered;

extern char **environ;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Remembered remembered[REMEMBERED];
static int	processes;

/* Returns a file that has a text and is read from its beginning, or -1. */
static int
file_of(const char *text)
{
	int			file = memfd_create("question", MFD_CLOEXEC);
	size_t		length = strlen(text);

	if (file >= 0 &&
		(write(file, text, length) != (ssize_t) length || lseek(file, 0, SEEK_SET) != 0))
	{
		close(file);
		return -1;
	}
	return file;
}

/* Starts this program as the one that lays out; returns its id, or 0. */
static pid_t
start_process(int input, int output)
{
	char	   *arguments[] = {"noetl-console", LAYOUT_ARGUMENT, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t	none;
	pid_t		process = 0;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	/* what Graphviz has to say of somebody's graph is no news */
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&process, "/proc/self/exe", &files, &attributes, arguments, environ) != 0)
		process = 0;
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return process;
}

/* Reads until the end, the limit or the deadline; returns whether it was the end. */
static bool
read_answer(int file, PQExpBuffer answer)
{
	time_t		until = clock_seconds() + PATIENCE;
	struct pollfd wait = {.fd = file, .events = POLLIN};
	char		part[4096];

	while (clock_seconds() < until && answer->len <= MAX_ANSWER)
	{
		ssize_t		length;

		if (poll(&wait, 1, 1000) < 1)
			continue;
		length = read(file, part, sizeof(part));
		if (length <= 0)
			return length == 0;
		appendBinaryPQExpBuffer(answer, part, length);
	}
	return false;
}

/* Returns the answer of a process, to be freed, or NULL. */
static char *
ask_process(const char *question)
{
	PQExpBufferData answer;
	int			input = file_of(question);
	int			output[2];
	pid_t		process;
	int			status = 0;
	char	   *text = NULL;

	if (input < 0)
		return NULL;
	if (pipe2(output, O_CLOEXEC) != 0)
	{
		close(input);
		return NULL;
	}
	process = start_process(input, output[1]);
	close(input);
	close(output[1]);
	initPQExpBuffer(&answer);
	if (process > 0)
	{
		if (!read_answer(output[0], &answer))
			kill(process, SIGKILL);
		/* numbers and the letters of a path: nothing that means something in HTML */
		if (waitpid(process, &status, 0) == process && status == 0 &&
			!PQExpBufferDataBroken(answer) &&
			strspn(answer.data, "MC0123456789. -\n") == answer.len)
			text = xstrdup(answer.data);
	}
	close(output[0]);
	termPQExpBuffer(&answer);
	return text;
}

/* Returns what is remembered of a question, or NULL; the caller holds the lock. */
static Remembered *
recall(const char *question)
{
	for (int i = 0; i < REMEMBERED; i++)
		if (remembered[i].question && strcmp(remembered[i].question, question) == 0)
			return &remembered[i];
	return NULL;
}

/* Returns a place that is free, or was longest not used; the caller holds the lock. */
static Remembered *
oldest_place(void)
{
	Remembered *oldest = &remembered[0];

	for (int i = 0; i < REMEMBERED; i++)
	{
		if (remembered[i].question == NULL)
			return &remembered[i];
		if (remembered[i].used < oldest->used)
			oldest = &remembered[i];
	}
	return oldest;
}

/* Remembers an answer; the caller holds the lock. */
static void
remember(const char *question, const char *answer)
{
	Remembered *place = recall(question);

	if (place == NULL)
		place = oldest_place();
	free(place->question);
	free(place->answer);
	place->question = xstrdup(question);
	place->answer = xstrdup(answer);
	place->used = place->asked = clock_seconds();
}

/* Returns the answer to a question, or NULL (layout.h). */
char *
layout_ask(const char *question)
{
	Remembered *known;
	char	   *answer = NULL;
	bool		ask;

	pthread_mutex_lock(&lock);
	known = recall(question);
	ask = known == NULL || (known->answer == NULL && clock_seconds() - known->asked >= ASK_AGAIN);
	if (!ask)
	{
		known->used = clock_seconds();
		answer = xstrdup(known->answer);
	}
	ask = ask && processes < MAX_PROCESSES;
	processes += ask;
	pthread_mutex_unlock(&lock);
	if (!ask)
		return answer;
	answer = ask_process(question);
	pthread_mutex_lock(&lock);
	processes--;
	remember(question, answer);
	pthread_mutex_unlock(&lock);
	return answer;
}
