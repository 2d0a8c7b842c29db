/*
 * outcome.c
 *		How the execution of a task ended.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "outcome.h"
#include "secret.h"

#define QUOTE_BYTES 400			/* of what a program or server has said */

/*
 * Appends a value that a foreign writer calls JSON to the result.  The value is
 * sent to the server as a parameter of its own: inside the result it could
 * pretend to be more than one value.  The server puts it at data.data, where the
 * result has null.
 */
void
outcome_attach(Outcome *out, const char *text, size_t len)
{
	sb_reset(&out->attached);
	sb_add(&out->attached, text, len);
	out->attached_at = out->result.len;
	sb_str(&out->result, "null");
}

/*
 * Makes the attached text a string inside the result, because the server has
 * found that it is not JSON.  Returns false when nothing is attached.
 */
bool
outcome_inline_attached(Outcome *out)
{
	StringBuf	result = {0};
	size_t		rest = out->attached_at + strlen("null");

	if (out->attached.len == 0)
		return false;
	sb_add(&result, out->result.data, out->attached_at);
	json_string(&result, out->attached.data, out->attached.len);
	sb_add(&result, out->result.data + rest, out->result.len - rest);
	sb_free(&out->result);
	out->result = result;
	sb_free(&out->attached);
	return true;
}

/* Appends text that may have bytes which are no text: each becomes a question mark. */
static void
add_readable(StringBuf *sb, const char *text, size_t len)
{
	for (size_t i = 0; i < len;)
	{
		size_t		n = 1;

		while (n <= 4 && i + n <= len && !utf8_is_text(text + i, n))
			n++;
		if (n > 4 || i + n > len)
		{
			sb_str(sb, "?");
			i++;
			continue;
		}
		sb_add(sb, text + i, n);
		i += n;
	}
}

/*
 * Appends the beginning or the end of a text that explains a failure to the error, a
 * word or two before it; nothing when the text is blank, or a body that is no text.
 */
void
outcome_quote(Outcome *out, const char *before, const char *said, size_t len, QuotePart part)
{
	char	   *copy = secret_redacted(said, len);
	const char *text = copy;
	size_t		skip = 0;
	bool		cut;

	len = strlen(copy);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	while (skip < len && strchr(" \t\r\n", text[skip]) != NULL)
		skip++;
	text += skip;
	len -= skip;
	cut = len > QUOTE_BYTES;
	if (cut && part == QUOTE_END)
	{
		text += len - QUOTE_BYTES;
		len = QUOTE_BYTES;
		for (skip = 0; skip < len && ((unsigned char) text[skip] & 0xC0) == 0x80; skip++)
			;
		text += skip;
		len -= skip;
	}
	else if (cut)
	{
		for (len = QUOTE_BYTES; len > 0 && ((unsigned char) text[len] & 0xC0) == 0x80; len--)
			;
	}
	if (len == 0 || (part == QUOTE_BEGINNING && !utf8_is_text(text, len)))
		return;
	sb_str(&out->error, before);
	sb_str(&out->error, cut && part == QUOTE_END ? "…" : "");
	add_readable(&out->error, text, len);
	sb_str(&out->error, cut && part == QUOTE_BEGINNING ? "…" : "");
}

/* Makes the outcome a failure with a message and returns its kind. */
OutcomeKind
outcome_fail(Outcome *out, const char *fmt,...)
{
	va_list		args;
	char	   *message;

	va_start(args, fmt);
	if (vasprintf(&message, fmt, args) < 0)
		message = xstrdup("out of memory");
	va_end(args);
	sb_reset(&out->error);
	sb_str(&out->error, message);
	free(message);
	sb_reset(&out->result);
	sb_reset(&out->attached);
	sb_str(&out->result, "{");
	json_member(&out->result, "status", "error");
	json_member(&out->result, "error", out->error.data);
	sb_str(&out->result, "}");
	out->kind = OUTCOME_FAILED;
	return OUTCOME_FAILED;
}

/*
 * Abandons a task because of trouble that is this worker's and not the task's: no
 * memory, no process, no interpreter.  The task does not fail: it is given back.
 */
OutcomeKind
outcome_trouble(Task *task, Outcome *out, const char *fmt,...)
{
	va_list		args;
	char	   *message;

	va_start(args, fmt);
	if (vasprintf(&message, fmt, args) < 0)
		message = xstrdup("out of memory");
	va_end(args);
	log_task(task, LOG_ALWAYS, "cannot be executed here now: %s", message);
	outcome_reset(out);
	sb_str(&out->error, message);
	free(message);
	out->kind = OUTCOME_ABORTED;
	task_set_trouble(task);
	return OUTCOME_ABORTED;
}

/* Empties an outcome but keeps its memory for the next task. */
void
outcome_reset(Outcome *out)
{
	sb_reset(&out->error);
	sb_reset(&out->result);
	sb_reset(&out->attached);
	out->kind = OUTCOME_DONE;
}

/* Frees the memory of an outcome. */
void
outcome_free(Outcome *out)
{
	sb_free(&out->error);
	sb_free(&out->result);
	sb_free(&out->attached);
}

/* Returns the value of a base64 digit, -1 for another character. */
static int
base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int) (found - digits) : -1;
}

/* Decodes base64 with line breaks; returns NULL for other text. */
static char *
base64_decode(const char *in)
{
	char	   *out = xmalloc(strlen(in) / 4 * 3 + 4);
	size_t		len = 0;
	unsigned int bits = 0;
	int			have = 0;

	for (; *in != '\0' && *in != '='; in++)
	{
		int			digit = base64_digit(*in);

		if (strchr(" \t\r\n", *in) != NULL)
			continue;
		if (digit < 0)
		{
			free(out);
			return NULL;
		}
		bits = (bits << 6 | (unsigned int) digit) & 0xFFFFFF;
		have += 6;
		if (have >= 8)
		{
			have -= 8;
			out[len++] = (char) (bits >> have & 0xFF);
		}
	}
	out[len] = '\0';
	return out;
}

/*
 * Finds program text under a key or, encoded, under key_b64 or key_base64:
 * playbooks encode what their templates must not touch.  *text is a copy, NULL
 * when there is no such key.  Returns false, with a failed outcome, when the
 * text is not valid base64.
 */
bool
task_text_or_base64(const Task *task, const char *path, char **text, Outcome *out)
{
	static const char *const suffixes[] = {"_b64", "_base64"};
	const char *found = task_field(task, path);

	*text = xstrdup(found);
	for (int i = 0; *text == NULL && i < 2; i++)
	{
		char		key[64];

		snprintf(key, sizeof(key), "%s%s", path, suffixes[i]);
		found = task_field(task, key);
		if (found == NULL)
			continue;
		*text = base64_decode(found);
		if (*text == NULL)
		{
			outcome_fail(out, "%s is not valid base64", key);
			return false;
		}
	}
	return true;
}
