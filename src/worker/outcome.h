/*
 * outcome.h
 *		How the execution of a task ended.
 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

#include "task.h"

typedef enum OutcomeKind
{
	OUTCOME_DONE,				/* result is the value */
	OUTCOME_FAILED,				/* error says why, result has the details */
	OUTCOME_ABORTED				/* Task.abort says why */
} OutcomeKind;

/* Which part of a long text an error quotes */
typedef enum QuotePart
{
	QUOTE_BEGINNING,
	QUOTE_END
} QuotePart;

typedef struct Outcome
{
	OutcomeKind kind;
	StringBuf	error;
	StringBuf	result;			/* JSON text; empty means null */
	StringBuf	attached;		/* JSON of a foreign writer, not yet checked */
	size_t		attached_at;	/* the place in result that it belongs to */
} Outcome;

extern void outcome_attach(Outcome *out, const char *text, size_t len);
extern bool outcome_inline_attached(Outcome *out);
extern void outcome_reset(Outcome *out);
extern void outcome_free(Outcome *out);
extern OutcomeKind outcome_fail(Outcome *out, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern void outcome_quote(Outcome *out, const char *before, const char *text, size_t len,
						  QuotePart part);
extern OutcomeKind outcome_trouble(Task *task, Outcome *out, const char *fmt,...)
			__attribute__((format(printf, 3, 4)));
extern bool task_text_or_base64(const Task *task, const char *path,
								char **text, Outcome *out);

#endif							/* OUTCOME_H */
