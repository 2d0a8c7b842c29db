/*
 * test/t/console_parts.c
 *		noetl-console without a browser, a database and a clock: its objects are linked with
 *		console_world.c, which stands for these.
 *
 * A line of the input is a command, and what it is called with, separated by tabs; \n, \t,
 * \xNN and \#NNNN, a token that ends so, are what they stand for.  The program prints each
 * line, and what the console answers and asks for.  A command that "dies" precedes runs in a
 * process of its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "console_world.h"
#include "db.h"
#include "graph.h"
#include "http.h"
#include "live.h"
#include "options.h"
#include "page.h"
#include "server.h"
#include "session.h"
#include "watch.h"

/*
 * The commands
 */

/* Returns a copy of a text where \n, \t, \xNN and \#NNNN are what they stand for. */
static char *
unescape(const char *text)
{
	char	   *copy = malloc(TOKEN_SIZE * (strlen(text) / 6 + 1) + strlen(text));
	char	   *to = copy;

	for (const char *p = text; *p; p++)
		if (p[0] == '\\' && (p[1] == 'n' || p[1] == 't'))
			*to++ = *++p == 'n' ? '\n' : '\t';
		else if (p[0] == '\\' && p[1] == '#')
		{
			/* a token: its last four digits */
			char		token[TOKEN_SIZE] = "";

			snprintf(token, sizeof(token), "%060d%.4s", 0, p + 2);
			memcpy(to, token, TOKEN_SIZE - 1);
			to += TOKEN_SIZE - 1;
			p += 5;
		}
		else if (p[0] == '\\' && p[1] == 'x')
		{
			*to++ = (char) strtol((char[]) {p[2], p[3], '\0'}, NULL, 16);
			p += 3;
		}
		else
			*to++ = *p;
	*to = '\0';
	return copy;
}

/* Returns an argument, "" where there is none. */
static const char *
arg(int number)
{
	for (int i = 0; i < number; i++)
		if (args[i] == NULL)
			return "";
	return args[number] ? args[number] : "";
}

/* Returns a buffer with an argument; "*N" is N times "x". */
static char *
text_of(const char *given)
{
	char	   *text;
	size_t		len;

	if (*given != '*')
		return strdup(given);
	len = strtoul(given + 1, NULL, 10);
	text = malloc(len + 1);
	memset(text, 'x', len);
	text[len] = '\0';
	return text;
}

/* Reads a command line. */
static void
do_options(void)
{
	int			count = 0;

	while (args[count])
		count++;
	optind = 1;
	read_options(count, args);
	printf("listens at %s%s, port %d\n", options.address, options.loopback ? " (this machine)" : "",
		   options.port);
}

/* Begins to serve. */
static void
do_start(void)
{
	sessions_init();
	printf("port %d\n", server_start());
}

/* How many files a process may have, and could have. */
static void
do_limit(void)
{
	file_limit = strtoul(arg(1), NULL, 10);
	most_files = strtoul(arg(2), NULL, 10);
}

/* Names the calls that fail. */
static void
do_fail(void)
{
	snprintf(failing, sizeof(failing), "%s", arg(1));
}

/* Passes seconds. */
static void
do_time(void)
{
	pass(1000 * atoll(arg(1)));
}

/* Somebody sets the clock that can be set forward by seconds, or back. */
static void
do_clock(void)
{
	clock_set += atoll(arg(1));
}

/* Adds a rule of what a statement is answered; without one, removes all. */
static void
do_db(void)
{
	if (args[1] == NULL)
		nrules = 0;
	else
		rules[nrules++] = (Rule) {strdup(args[1]), strdup(arg(2))};
	connected = true;
}

/* Whether the server asks for passwords. */
static void
do_password(void)
{
	with_password = strcmp(arg(1), "yes") == 0;
}

/* Whether what the console asks for is printed. */
static void
do_trace(void)
{
	trace = strcmp(arg(1), "on") == 0;
}

/* Whether whole answers are printed. */
static void
do_headers(void)
{
	all_headers = strcmp(arg(1), "all") == 0;
}

/* The connection that an argument numbers. */
static struct MHD_Connection *
connection_of(const char *number)
{
	return &connections[atoi(number)];
}

/* Ends a request, and the stream that it may have. */
static void
do_leave(void)
{
	struct MHD_Connection *connection = connection_of(arg(1));

	if (connection->response)
		free_response(connection->response);
	connection->response = NULL;
	completed(NULL, connection, &connection->request, MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

/* So many of them, from that one on. */
static void
do_leaves(void)
{
	int			first = atoi(arg(1));
	int			count = atoi(arg(2));
	char		number[12];

	args[1] = number;
	for (int i = 0; i < count; i++)
	{
		snprintf(number, sizeof(number), "%d", first + i);
		do_leave();
	}
}

/* A browser goes away. */
static void
do_disconnect(void)
{
	struct MHD_Connection *connection = connection_of(arg(1));

	changed(NULL, connection, &connection->context, MHD_CONNECTION_NOTIFY_CLOSED);
}

/* A browser connects. */
static void
do_connect(void)
{
	struct MHD_Connection *connection = connection_of(arg(1));

	changed(NULL, connection, &connection->context, MHD_CONNECTION_NOTIFY_STARTED);
}

/* Hands a part of the body over; returns what the console says to it. */
static enum MHD_Result
hand_over(struct MHD_Connection *connection, const char *data, size_t size)
{
	return take(NULL, connection, args[3], args[2], "HTTP/1.1", data, &size, &connection->request);
}

/* Has the console send its answer, unless that was sent at once. */
static void
do_answer(enum MHD_Result result)
{
	struct MHD_Connection *connection = connection_of(arg(1));

	if (result == MHD_YES && !answered)
		result = hand_over(connection, "", 0);
	answered = false;
	if (result != MHD_YES)
		puts("closed");
	if (connection->response == NULL &&
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Slow") == NULL)
		do_leave();
}

/*
 * A request: connection, method, address, headers, "Body: text"; with "Wait: yes" what
 * comes of it is told by "answer"; with "Slow: yes" its answer is read until "leave".
 */
static void
do_request(void)
{
	struct MHD_Connection *connection = connection_of(arg(1));
	const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Body");
	char	   *body = text_of(given ? given : "");
	char	   *address = args[3];
	size_t		half = strlen(body) / 2;
	enum MHD_Result result;

	if (connection->context == NULL)
		do_connect();
	args[3] = strndup(address, strcspn(address, "?"));
	answered = false;
	result = hand_over(connection, "", 0);
	if (result == MHD_YES && *body && !answered)
		result = hand_over(connection, body, half) &&
			hand_over(connection, body + half, strlen(body) - half);
	free(args[3]);
	args[3] = address;
	if (result == MHD_YES && !answered)
		result = hand_over(connection, "", 0);
	free(body);
	if (connection->suspended && setjmp(idle) == 0)
		worker(NULL);
	if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Wait") == NULL)
		do_answer(result);
}

/* The answer that an earlier request has not had yet. */
static void
do_answer_later(void)
{
	do_answer(MHD_YES);
}

/* As many such requests, from that connection on. */
static void
do_requests(void)
{
	int			first = atoi(arg(1));
	int			count = atoi(arg(2));
	char		number[12];

	memmove(args + 1, args + 2, sizeof(args) - 2 * sizeof(args[0]));
	args[1] = number;
	counting = true;
	counted = 0;
	for (int i = 0; i < count; i++)
	{
		snprintf(number, sizeof(number), "%d", first + i);
		do_request();
	}
	counting = false;
	printf("%d of %d are answered\n", counted, count);
}

/* Has a stream say what there is to say. */
static void
do_stream(void)
{
	struct MHD_Connection *connection = connection_of(arg(1));
	char		buffer[1024];
	ssize_t		len;

	if (connection->response == NULL)
		puts("there is no stream");
	while (connection->response && !connection->suspended)
	{
		len = connection->response->read(connection->response->cls, connection->position, buffer,
										 sizeof(buffer));
		if (len < 0)
		{
			puts("the stream ends");
			break;
		}
		connection->position += len;
		printf("%.*s", (int) len, buffer);
	}
	if (connection->suspended)
		puts("the stream sleeps");
}

/* Joins the arguments behind the first to the script of poll(). */
static void
do_script(void)
{
	script_at = script;
	script[0] = '\0';
	for (int i = 1; args[i]; i++)
	{
		strcat(script, args[i]);
		strcat(script, " ");
	}
}

/* The thread that looks for changes, while the script lasts. */
static void
do_look(void)
{
	do_script();
	if (setjmp(script_over) == 0)
		looker(NULL);
}

/* A drawing, the status of the process, its answer, and what poll() does meanwhile. */
static void
do_graph(void)
{
	PQExpBufferData out;
	char	   *answer = text_of(arg(3));

	layout_status = atoi(arg(2));
	layout_text = answer;
	snprintf(script, sizeof(script), "%s", arg(4));
	script_at = script;
	initPQExpBuffer(&out);
	if (setjmp(script_over) == 0)
		graph_append(&out, arg(1));
	printf("%s", out.data);
	termPQExpBuffer(&out);
	free(answer);
}

/* Drawings from one number to another, a second for each; prints how many are not remembered. */
static void
do_drawings(void)
{
	char		answer[100];

	counting = true;
	counted = 0;
	for (int i = atoi(arg(1)); i <= atoi(arg(2)); i++)
	{
		PQExpBufferData svg;
		PQExpBufferData out;

		pass(1000);
		initPQExpBuffer(&svg);
		initPQExpBuffer(&out);
		appendPQExpBuffer(
			&svg,
			"<svg role=\"img\">\n<g class=\"node a\" data-step=\"0\" transform=\"\"><rect width=\"9\" height=\"%d\"/></g>\n</svg>",
			i);
		layout_status = 0;
		layout_text = strcpy(answer, "200 300\n10 20\n");
		script_at = strcpy(script, "+0 +0");
		graph_append(&out, svg.data);
		if (strstr(out.data, "translate(10.0 20.0)") == NULL)
			printf("drawing %d is not laid out: %s\n", i, out.data);
		termPQExpBuffer(&svg);
		termPQExpBuffer(&out);
	}
	counting = false;
	printf("%d are laid out anew\n", counted);
}

/* Prints a state as pages show it. */
static void
do_tag(void)
{
	PQExpBufferData out;
	char	   *text = text_of(arg(1));

	initPQExpBuffer(&out);
	page_tag(&out, text);
	if (out.len > 1000)
		printf("%d bytes\n", (int) out.len);
	else
		puts(out.data);
	termPQExpBuffer(&out);
	free(text);
}

/* Compares two tokens; looks whether the first is one of a session. */
static void
do_tokens(void)
{
	printf("%s, %s\n", token_equal(args[1], args[1] ? args[2] : NULL) ? "equal" : "not equal",
		   session_exists(arg(1)) ? "a session" : "no session");
}

static Session *held;

/* Takes a session, as a request does that is at work; prints whether it is there. */
static void
do_hold(void)
{
	bool		busy;
	Session    *found = session_acquire(arg(1), false, false, &busy);

	held = found ? found : held;
	puts(found ? "held" : busy ? "busy" : "none");
}

/* Takes the held session once more, as a request does that has waited for it. */
static void
do_share(void)
{
	pthread_mutex_unlock(&held->lock);
	do_hold();
}

/* Gives the held session back, once (console_world.h). */
void
give_back(void)
{
	(void) pthread_mutex_trylock(&held->lock);
	session_release(held);
}

/* Ends the held session. */
static void
do_end(void)
{
	session_end(held);
}

/* Offers a connection that waits for changes. */
static void
do_offer(void)
{
	watch_offer((PGconn *) strdup("connection"));
	puts(watch_wanted() ? "wanted" : "not wanted");
}

/* Has that connection wait. */
static void
do_begin(void)
{
	puts(watch_begin() ? "it waits" : "it does not wait");
}

/* Needs some memory. */
static void
do_memory(void)
{
	free(xcalloc(1, 5000));
	free(xrealloc(NULL, 5000));
	puts("there is memory");
}

static const struct
{
	const char *name;
	void		(*run) (void);
}			commands[] = {
	{"options", do_options},
	{"start", do_start},
	{"stop", server_stop},
	{"limit", do_limit},
	{"fail", do_fail},
	{"time", do_time},
	{"clock", do_clock},
	{"db", do_db},
	{"password", do_password},
	{"trace", do_trace},
	{"headers", do_headers},
	{"request", do_request},
	{"requests", do_requests},
	{"connect", do_connect},
	{"disconnect", do_disconnect},
	{"leave", do_leave},
	{"leaves", do_leaves},
	{"stream", do_stream},
	{"look", do_look},
	{"graph", do_graph},
	{"drawings", do_drawings},
	{"tag", do_tag},
	{"tokens", do_tokens},
	{"hold", do_hold},
	{"share", do_share},
	{"answer", do_answer_later},
	{"release", give_back},
	{"end", do_end},
	{"sweep", server_sweep},
	{"expire", sessions_expire},
	{"offer", do_offer},
	{"begin", do_begin},
	{"close", watch_close},
	{"memory", do_memory},
};

/* Runs the command that the arguments are. */
static void
run_command(void)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(args[0], commands[i].name) == 0)
		{
			commands[i].run();
			return;
		}
	printf("there is no command \"%s\"\n", args[0]);
}

/* Runs it in a process of its own, and prints how that ended. */
static void
run_and_die(void)
{
	pid_t		process = fork();
	int			status = 0;

	if (process == 0)
	{
		/* what the parent has yet to read stays where it is */
		dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
		memmove(args, args + 1, sizeof(args) - sizeof(args[0]));
		prlimit(0, RLIMIT_CORE, &(struct rlimit) {0, 0}, NULL);
		run_command();
		_exit(99);
	}
	wait4(process, &status, 0, NULL);
	if (WIFSIGNALED(status))
		printf("died of signal %d\n", WTERMSIG(status));
	else
		printf("exited with %d\n", WEXITSTATUS(status));
}

int
main(void)
{
	static char line[100000];

	setvbuf(stdout, NULL, _IONBF, 0);
	tokens = 0;					/* libraries take some when they are loaded */
	dup2(STDOUT_FILENO, STDERR_FILENO);
	while (fgets(line, sizeof(line), stdin))
	{
		char	   *rest = strdup(line);	/* options keep pointers to it */
		int			count = 0;

		rest[strcspn(rest, "\n")] = '\0';
		printf("%s%s\n", rest[0] == '#' ? "" : "> ", rest);
		if (rest[0] == '#')
			continue;
		memset(args, 0, sizeof(args));
		while (rest && count < MAX_ARGS - 1)
			args[count++] = unescape(strsep(&rest, "\t"));
		if (strcmp(args[0], "dies") == 0)
			run_and_die();
		else
			run_command();
	}
	return 0;
}
