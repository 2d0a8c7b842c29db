/*
 * progress.c
 *		How far tasks are, and what they print, as events of the types "progress" and
 *		"log".
 *
 * A task tells its progress as often as it likes; one event a second is stored.  Lines
 * that it prints are stored if it says log: true, up to a bound.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "json_read.h"
#include "log.h"
#include "progress.h"
#include "secret.h"
#include "wait.h"

#define PAUSE_SECONDS 1.0
#define MAX_MESSAGE_BYTES 500
#define MAX_LOG_BYTES (64 * 1024)	/* of one task */

static ProgressSink sink = NULL;	/* NULL: events are collected here */

/* Sets where events go; NULL: they are collected in this process. */
void
progress_send_to(ProgressSink other)
{
	sink = other;
}

/* Hands an event on. */
static void
send_event(const Task *task, const char *type, StringBuf *context)
{
	secret_redact(context);
	if (sink != NULL)
		sink(task, type, context->data);
	else
		events_add(task, type, NULL, context->data, NULL, NULL, NULL);
}

/* Appends a text as a JSON string without control characters, and not all of a long one. */
static void
add_text(StringBuf *json, const char *text, size_t len, size_t most)
{
	char	   *copy = xmalloc(len + 1);

	if (len > most)
		for (len = most; len > 0 && ((unsigned char) text[len] & 0xC0) == 0x80; len--)
			;
	for (size_t i = 0; i < len; i++)
		copy[i] = (char) ((unsigned char) text[i] < ' ' ? ' ' : text[i]);
	json_string(json, copy, len);
	free(copy);
}

/*
 * Takes what a task tells of its progress: an object with "progress", a number from 0
 * to 1, and "message", each of which may be missing.  Anything else is ignored.
 */
void
progress_told(Task *task, const char *object)
{
	double		now = monotonic_now();
	StringBuf	context = {0};
	JsonPart	part;
	double		progress = -1;
	char	   *message = NULL;

	if (task == NULL || !json_is_object(object))
		return;
	if (json_find_member(object, "progress", &part) != NULL)
		progress = strtod(part.text, NULL);
	if (json_find_member(object, "message", &part) != NULL && json_part_is_string(part))
	{
		char	   *said = json_part_text(part);

		message = secret_redacted(said, strlen(said));
		free(said);
	}
	if (message != NULL)
		log_task(task, LOG_DETAIL, "| %.500s", message);
	if (task->told_at == 0 || now - task->told_at >= PAUSE_SECONDS)
	{
		task->told_at = now;
		sb_str(&context, "{");
		if (progress >= 0 && progress <= 1)
			sb_printf(&context, "\"progress\":%.4g", progress);
		if (message != NULL)
		{
			sb_printf(&context, "%s\"message\":", context.len > 1 ? "," : "");
			add_text(&context, message, strlen(message), MAX_MESSAGE_BYTES);
		}
		sb_str(&context, "}");
		send_event(task, "progress", &context);
	}
	sb_free(&context);
	free(message);
}

/* Tells whether the lines of a task are to be stored. */
static bool
wants_log(const Task *task)
{
	JsonPart	value;
	const char *field = task_field(task, "log");

	if (task->action != NULL && json_find_member(task->action, "log", &value) != NULL)
		return value.len == 4 && strncmp(value.text, "true", 4) == 0;
	return field != NULL && strcmp(field, "true") == 0;
}

/* Stores a line that a task has printed, if the task wants that. */
void
progress_logged(Task *task, const char *line, size_t len)
{
	StringBuf	context = {0};
	static const char last[] = "[further lines are not stored]";

	if (task == NULL || task->logged > MAX_LOG_BYTES || !wants_log(task))
		return;
	task->logged += len + 1;
	if (task->logged > MAX_LOG_BYTES)
	{
		line = last;
		len = strlen(last);
	}
	sb_str(&context, "{\"line\":");
	add_text(&context, line, len, len);
	sb_str(&context, "}");
	send_event(task, "log", &context);
	sb_free(&context);
}
