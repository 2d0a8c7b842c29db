/*
 * test/t/worker_parts.c
 *		Calls functions of noetl-worker, with whose objects it is linked: a line of its
 *		input is a name and what it is called with, separated by tabs; it prints the line
 *		and what came of it; "without CALL" before the name makes a call fail, where fail.c is
 *		preloaded; "with NAME=VALUE" sets a variable.  \xNN is a byte.  Each line is read in
 *		a process of its own, in memory that ends where the text ends.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "action.h"
#include "concurrency.h"
#include "conninfo.h"
#include "credential.h"
#include "credential_source.h"
#include "environment.h"
#include "executor.h"
#include "fields.h"
#include "http.h"
#include "json_read.h"
#include "linelog.h"
#include "netstring.h"
#include "options.h"
#include "postgres_target.h"
#include "progress.h"
#include "script.h"
#include "secret.h"
#include "signals.h"
#include "tool.h"
#include "url.h"
#include "wait.h"

#define MAX_ARGS 8

static char *args[MAX_ARGS];

/* Prints bytes; those that are not plain as \xNN. */
static void
show(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if ((unsigned char) text[i] < ' ' || (unsigned char) text[i] >= 0x7f || text[i] == '\\')
			printf("\\x%02X", (unsigned char) text[i]);
		else
			putchar(text[i]);
	}
}

/* Prints a name and a text, of a long one its length; nothing for NULL. */
static void
say(const char *name, const char *text)
{
	if (text == NULL)
		return;
	if (strlen(text) > 1000)
		printf(" %s[%zu bytes]", name, strlen(text));
	else
	{
		printf(" %s[", name);
		show(text, strlen(text));
		printf("]");
	}
}

static void
say_bool(bool value)
{
	printf(" %s", value ? "yes" : "no");
}

/* Copies bytes to the end of a page that nothing follows; \xNN is one. */
static char *
at_the_edge(const char *from, size_t *len)
{
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	size_t		size = (strlen(from) / page + 2) * page;
	char	   *memory = mmap(NULL, size + page, PROT_READ | PROT_WRITE,
							  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char	   *to;

	*len = 0;
	for (const char *p = from; *p != '\0'; p += strncmp(p, "\\x", 2) == 0 ? 4 : 1)
		(*len)++;
	to = memory + size - *len - 1;
	for (char *q = to; *from != '\0'; q++)
	{
		char		digits[3] = "";
		bool		coded = strncmp(from, "\\x", 2) == 0;

		if (coded)
			memcpy(digits, from + 2, 2);
		*q = coded ? (char) strtol(digits, NULL, 16) : *from;
		from += coded ? 4 : 1;
	}
	mprotect(memory + size, page, PROT_NONE);
	return to;
}

static Task
task_of(const char *action, bool deep)
{
	Task		task = {.type = "http",.execution_id = "1",.step = "s",.node_id = "s#1"};

	task.field_data = fields_of_action(action, deep);
	task_parse_fields(&task);
	return task;
}

static void
say_outcome(bool ok, const Outcome *out)
{
	if (!ok)
		say("failed", out->error.data);
}

static void
say_request(HttpRequest *request)
{
	printf(" %s", request->method);
	say("", request->url.data);
	if (request->has_body)
		say("body", request->body.data);
	for (struct curl_slist *item = http_request_headers(request); item; item = item->next)
		say("", item->data);
	say("user", request->username);
	say("password", request->password);
	printf("%s%s", request->verify ? "" : " unverified", request->follow ? "" : " stays");
}

/* request ACTION [URL STATUS] */
static void
call_request(size_t len)
{
	Task		task = task_of(args[1], true);
	HttpRequest request;
	Outcome		out = {0};
	bool		ok = http_request_init(&request, &task, &out);

	if (ok)
		say_request(&request);
	say_outcome(ok, &out);
	if (ok && args[2] != NULL)
	{
		printf(" then");
		ok = http_request_redirect(&request, args[2], atol(args[3]), &out);
		if (ok)
			say_request(&request);
		say_outcome(ok, &out);
	}
	http_request_free(&request);
}

static void
call_target(size_t len)
{
	static const char *const sources[] = {"playbook", "credential", "option"};
	Task		task = task_of(args[1], false);
	Target		target = {0};
	Outcome		out = {0};
	bool		ok;

	options.postgres_conninfo = "host=option";
	ok = find_target(&task, &target, &out);
	say_outcome(ok, &out);
	if (ok)
		say(sources[target.source == CONNINFO_PLAYBOOK ? 0 :
					target.source == CONNINFO_CREDENTIAL ? 1 : 2], target.conninfo.data);
}

static void
call_fields(size_t len)
{
	Task		task = task_of(args[1], args[0][0] == 'd');

	for (int i = 0; i < task.nfields; i++)
	{
		printf(" %d%c ", task.fields[i].depth, task.fields[i].type);
		show(task.fields[i].path, strlen(task.fields[i].path));
		printf("=");
		show(task.fields[i].text, strlen(task.fields[i].text));
		printf(",");
	}
}

/* list ACTION PATH */
static void
call_list(size_t len)
{
	Task		task = task_of(args[1], false);
	const char *text;

	for (int i = 0; i < 5 && task_list(&task, args[2], i, &text); i++)
		say("", text != NULL ? text : "none");
}

/* program ACTION PATH */
static void
call_program(size_t len)
{
	Task		task = task_of(args[1], false);
	Outcome		out = {0};
	char	   *text;

	say_outcome(task_text_or_base64(&task, args[2], &text, &out), &out);
	say("", text);
}

/* script ACTION */
static void
call_script(size_t len)
{
	Task		task = task_of(args[1], false);
	Outcome		out = {0};
	char	   *text;

	say_outcome(script_read(&task, &text, &out) == OUTCOME_DONE, &out);
	say("", text);
}

/* tool ACTION */
static void
call_tool(size_t len)
{
	Task		task = task_of(args[1], false);
	Outcome		out = {0};
	char	   *json = NULL;

	task.type = "mail";
	task.action = args[1];
	say_outcome(tool_credential(&task, &json, &out), &out);
	say("", json);
}

/* shell ACTION [SECONDS] */
static void
call_shell(size_t len)
{
	Task		task = task_of(args[1], false);
	Outcome		out = {0};

	environment_hide();
	task.type = "shell";
	task.deadline = args[2] != NULL ? monotonic_now() + atof(args[2]) : 0;
	if (shell_execute(&task, &out) == OUTCOME_ABORTED)
		printf(" aborted %d", task.abort);
	else
		say(out.kind == OUTCOME_DONE ? "" : "failed", out.result.data);
}

/* duckdb LIBRARY ACTION [SECONDS] */
static void
call_duckdb(size_t len)
{
	Task		task;
	Outcome		out = {0};
	OutcomeKind kind;

	setenv("NOETL_LIBDUCKDB", args[1], 1);
	if (!duckdb_available())
	{
		printf(" is absent");
		return;
	}
	task = task_of(args[2], false);
	task.type = "duckdb";
	task.deadline = args[3] != NULL ? monotonic_now() + atof(args[3]) : 0;
	kind = duckdb_execute(&task, &out);
	if (kind == OUTCOME_ABORTED)
		printf(" aborted %d", task.abort);
	else
		say(kind == OUTCOME_DONE ? "" : "failed",
			kind == OUTCOME_DONE ? out.result.data : out.error.data);
}

static void
say_event(const Task *task, const char *type, const char *context)
{
	printf(" <%s", type);
	say("", context);
	printf(">");
}

/* python PROGRAM ACTION [SECONDS] */
static void
call_python(size_t len)
{
	Task		task = {.type = "python",.execution_id = "1",.step = "s",.node_id = "s#1",
	.action = args[2]};
	Outcome		out = {0};
	OutcomeKind kind;

	environment_hide();
	progress_send_to(say_event);
	options.python = args[1];
	task.deadline = args[3] != NULL ? monotonic_now() + atof(args[3]) : 0;
	kind = python_execute(&task, &out);
	if (kind == OUTCOME_ABORTED)
		printf(" aborted %d", task.abort);
	else
	{
		say(kind == OUTCOME_DONE ? "" : "failed", out.error.data);
		say("result", out.result.data);
	}
	python_shutdown();
}

/* told OBJECT ..., or logged ACTION LINE TIMES */
static void
call_progress(size_t len)
{
	Task		task = {.type = "python",.execution_id = "1",.step = "s",.node_id = "s#1"};

	progress_send_to(say_event);
	secret_remember("secret-word");
	if (strcmp(args[0], "told") == 0)
	{
		progress_told(NULL, args[1]);
		for (int i = 1; args[i] != NULL; i++)
			progress_told(&task, args[i]);
		return;
	}
	progress_logged(NULL, args[2], strlen(args[2]));
	task = task_of(args[1], false);
	for (int i = 0; i < atoi(args[3]); i++)
		progress_logged(&task, args[2], strlen(args[2]));
}

/* asks TYPE ACTION CONTEXT OUTER-CONTEXT */
static void
call_asks(size_t len)
{
	Task		task = {.type = args[1],.action = args[2],.context = args[3],
	.outer_context = args[4]};

	say("", task_program_context(&task));
}

static void
call_netstrings(size_t len)
{
	char	   *cursor = args[1];
	char	   *text;

	while (*cursor != '\0' && (text = take_netstring(&cursor)) != NULL)
		say("", text);
	say("left", cursor);
}

static void
call_url(size_t len)
{
	CURLU	   *one = curl_url();
	CURLU	   *other = curl_url();

	curl_url_set(one, CURLUPART_URL, args[1], CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME);
	curl_url_set(other, CURLUPART_URL, args[2], CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME);
	say_bool(strcmp(args[0], "bound") == 0 ? url_is_bound(one, args[2]) :
			 url_same_origin(one, other));
}

static void
call_json(size_t len)
{
	StringBuf	text = {0};
	JsonPart	part;
	const char *p;

	if (strcmp(args[0], "string") == 0)
		p = json_read_string(args[1], &text);
	else
		p = json_skip_value(args[1]);
	if (strcmp(args[0], "member") == 0)
		say("", json_find_member(args[1], args[2], &part) ? json_part_text(part) : NULL);
	else if (strcmp(args[0], "object") == 0)
		say_bool(json_is_object(args[1]));
	else if (strcmp(args[0], "write") == 0)
	{
		json_string(&text, args[1], len);
		say("", text.data);
	}
	else if (p == NULL)
		printf(" none");
	else
	{
		say("", strcmp(args[0], "string") == 0 ? text.data : NULL);
		say("left", p);
	}
}

static void
call_credential(size_t len)
{
	StringBuf	value = {0};
	StringBuf	problem = {0};
	Task		parsed = {0};

	if (strcmp(args[0], "file") == 0)
	{
		options.credentials = args[1];
		say_bool(credential_from_files(args[2], &value, &problem));
		say("", value.data);
		say("problem", problem.data);
	}
	else if (strcmp(args[0], "command") == 0)
	{
		options.credential_command = args[1][0] != '\0' ? args[1] : NULL;
		for (int i = 0; i < 2; i++)
		{
			sb_free(&value);
			/* what the command has said is too old by now */
			if (i == 1 && getenv("LATER") != NULL)
				setenv("FAIL_CALL", "time", 1);
			say_bool(credential_from_command(args[2], &value, &problem));
			say("", value.data);
		}
		say("problem", problem.data);
	}
	else
	{
		say_bool(credential_parse(&parsed, args[1]));
		for (int i = 0; i < parsed.nfields; i++)
			say(parsed.fields[i].path ? parsed.fields[i].path : "none", parsed.fields[i].text);
	}
}

/* redact TEXT CREDENTIAL ... */
static void
call_redact(size_t len)
{
	for (int i = 2; args[i] != NULL; i++)
		secret_remember_credential(args[i]);
	say("", secret_redacted(args[1], strlen(args[1])));
}

/* reported RESULT CREDENTIAL ...; attached BEFORE VALUE BEHIND CREDENTIAL ... */
static void
call_reported(size_t len)
{
	bool		attached = strcmp(args[0], "attached") == 0;
	Task		task = {0};
	Outcome		out = {0};

	for (int i = attached ? 4 : 2; args[i] != NULL; i++)
		secret_remember_credential(args[i]);
	sb_str(&out.result, args[1]);
	if (attached)
	{
		outcome_attach(&out, args[2], strlen(args[2]));
		sb_str(&out.result, args[3]);
	}
	finish_action(&task, &out);
	if (attached)
		outcome_inline_attached(&out);
	say("", out.result.data);
}

static void
call_conninfo(size_t len)
{
	StringBuf	error = {0};
	StringBuf	text = {0};

	if (strcmp(args[0], "playbook") == 0)
	{
		say_bool(conninfo_check_playbook(args[1], &error));
		say("", error.data);
	}
	else if (strcmp(args[0], "valid") == 0)
		say_bool(conninfo_is_valid(args[1]));
	else if (strcmp(args[0], "host") == 0)
		say_bool(conninfo_has_host(args[1]));
	else if (strcmp(args[0], "absent") == 0)
		say_bool(server_is_absent(args[1]));
	else
	{
		for (int i = 1; args[i] != NULL && args[i + 1] != NULL; i += 2)
			conninfo_add(&text, args[i], args[i + 1]);
		say("", text.data);
	}
}

/* concurrency TEXT TYPE */
static void
call_concurrency(size_t len)
{
	StringBuf	error = {0};
	bool		ok;

	options.concurrency = strcmp(args[1], "none") == 0 ? NULL : args[1];
	ok = concurrency_init(&error);
	if (ok)
		printf(" %d, of %s %d", options.slots, args[2], concurrency_of(args[2]));
	say_bool(ok);
	say("", error.data);
}

/* quote TEXT TIMES beginning|end */
static void
call_quote(size_t len)
{
	Outcome		out = {0};
	StringBuf	text = {0};

	for (int i = 0; i < atoi(args[2]); i++)
		sb_str(&text, args[1]);
	sb_str(&out.error, "it failed");
	outcome_quote(&out, ": ", text.data ? text.data : "", text.len,
				  args[3][0] == 'b' ? QUOTE_BEGINNING : QUOTE_END);
	printf(" %zu", out.error.len);
	if (out.error.len > 60)
	{
		sb_free(&text);
		sb_add(&text, out.error.data, 20);
		sb_str(&text, " ... ");
		sb_str(&text, out.error.data + out.error.len - 20);
		say("", text.data);
	}
	else
		say("", out.error.data);
}

static void
call_userinfo(size_t len)
{
	StringBuf	text = {0};

	sb_add(&text, args[1], len);
	cut_userinfo(&text);
	say("", text.data);
}

static void
call_environment(size_t len)
{
	StringBuf	text = {0};

	(void) len;
	if (strcmp(args[0], "shows") == 0)
		say_bool(environment_shows(args[1]));
	else
	{
		environment_hide();
		environment_names(&text);
		say("", text.data);
		say("hidden", getenv(args[1]) ? NULL : environment_value(args[1]));
		say("shown", getenv(args[1]));
	}
}

static void
call_other(size_t len)
{
	if (strcmp(args[0], "sooner") == 0)
		printf(" %g", sooner(atof(args[1]), atof(args[2])));
	else if (strcmp(args[0], "text") == 0)
		say_bool(utf8_is_text(args[1], len));
	else
		say_bool(credential_is_variable(args[1]));
}

/* http ACTION */
static void
call_http(size_t len)
{
	Task		task = task_of(args[1], true);
	Outcome		out = {0};

	say_outcome(http_execute(&task, &out) == OUTCOME_DONE, &out);
	printf(" %s", out.kind == OUTCOME_ABORTED ? "aborted" : "");
}

/* memory malloc|calloc|realloc|reserve */
static void
call_memory(size_t len)
{
	volatile size_t most = (size_t) -1 / 2;
	StringBuf	text = {0};

	if (strcmp(args[1], "malloc") == 0)
		printf(" %s", xmalloc(most) != NULL ? "is there" : "none");
	else if (strcmp(args[1], "calloc") == 0)
		printf(" %s", xcalloc(most, 1) != NULL ? "is there" : "none");
	else if (strcmp(args[1], "realloc") == 0)
		printf(" %s", xrealloc(NULL, most) != NULL ? "is there" : "none");
	else
	{
		sb_str(&text, "some");
		sb_reserve(&text, most * 2);
		printf(" is there");
	}
}

static double
never_due(void)
{
	return 0;
}

static void
do_nothing(Task *task)
{
}

/* waits DESCRIPTORS, or hooks COUNT */
static void
call_waits(size_t len)
{
	static const WaitHook hook = {.due = never_due,.run = do_nothing};
	int			count = atoi(args[1]);
	struct pollfd some[4] = {{.fd = -1}, {.fd = -1}, {.fd = -1}, {.fd = -1}};

	if (strcmp(args[0], "waits") == 0)
		task_wait(NULL, some, count, monotonic_now() + 0.01);
	else
		for (int i = 0; i < count; i++)
			wait_add_hook(&hook);
	printf(" done");
}

/* forgets COUNT: of so many secrets, the first used once more, how are the first two printed? */
static void
call_forgets(size_t len)
{
	char		secret[40];

	for (int i = 0; i < atoi(args[1]); i++)
	{
		snprintf(secret, sizeof(secret), "secret-%05d", i);
		secret_remember(secret);
		secret_remember("secret-00000");
	}
	say("", secret_redacted("secret-00000 secret-00001 secret-00002", 38));
}

/* What lines can name; a function gets the length of the first argument. */
static const struct
{
	const char *name;
	void		(*call) (size_t len);
}			calls[] = {{"netstrings", call_netstrings},
			 {"origin", call_url},
			 {"bound", call_url},
			 {"userinfo", call_userinfo},
			 {"string", call_json},
			 {"skip", call_json},
			 {"member", call_json},
			 {"object", call_json},
			 {"write", call_json},
			 {"fields", call_fields},
			 {"deep", call_fields},
			 {"list", call_list},
			 {"program", call_program},
			 {"script", call_script},
			 {"tool", call_tool},
			 {"shell", call_shell},
			 {"asks", call_asks},
			 {"python", call_python},
			 {"told", call_progress},
			 {"logged", call_progress},
			 {"duckdb", call_duckdb},
			 {"credential", call_credential},
			 {"file", call_credential},
			 {"command", call_credential},
			 {"redact", call_redact},
			 {"reported", call_reported},
			 {"attached", call_reported},
			 {"concurrency", call_concurrency},
			 {"request", call_request},
			 {"target", call_target},
			 {"quote", call_quote},
			 {"shows", call_environment},
			 {"names", call_environment},
			 {"playbook", call_conninfo},
			 {"valid", call_conninfo},
			 {"host", call_conninfo},
			 {"absent", call_conninfo},
			 {"conninfo", call_conninfo},
			 {"http", call_http},
			 {"memory", call_memory},
			 {"waits", call_waits},
			 {"hooks", call_waits},
			 {"forgets", call_forgets},
			 {"sooner", call_other},
			 {"text", call_other},
			 {"variable", call_other}};

/* Calls what the line names. */
static void
call(size_t len)
{
	options.env = "SHOWN, SEEN";
	options.pass_env = "PASSED";
	options.scripts = getenv("SCRIPTS");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, args[0]) == 0)
		{
			calls[i].call(len);
			return;
		}
	printf(" is not known");
}

int
main(void)
{
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		read;

	options.postgres_conninfo = options.conninfo = "";
	while ((read = getline(&line, &size, stdin)) > 0)
	{
		int			status;

		if (line[read - 1] == '\n')
			line[read - 1] = '\0';
		printf("%s ->", line);
		fflush(stdout);
		if (fork() == 0)
		{
			char	   *rest = line;
			size_t		len = 0;

			for (int i = 0; rest != NULL && i < MAX_ARGS - 1; i++)
			{
				size_t		here;

				args[i] = at_the_edge(strsep(&rest, "\t"), &here);
				len = i == 1 ? here : len;
			}
			install_signals();
			if (strcmp(args[0], "with") == 0)
			{
				putenv(args[1]);
				memmove(args, args + 2, sizeof(args) - 2 * sizeof(args[0]));
			}
			if (strcmp(args[0], "without") == 0)
			{
				setenv("FAIL_CALL", args[1], 1);
				memmove(args, args + 2, sizeof(args) - 2 * sizeof(args[0]));
			}
			alarm(20);
			call(len);
			fflush(stdout);
			_exit(0);
		}
		wait(&status);
		if (status != 0)
			printf(" DIED of %d", status);
		printf("\n");
	}
	return 0;
}
