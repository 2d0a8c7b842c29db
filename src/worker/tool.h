/*
 * tool.h
 *		Tools: programs that execute tasks of a type of their own.
 *
 *		tools.c		which tools there are: --tool and noetl-tool-TYPE on PATH
 *		tool.c		the process of a tool, and the lines that it and the worker write
 *		tool_credential.c	the credential that a task hands to its tool
 *
 * A call is one task in a tool:
 *
 *		tool_begin --> (wait for tool_poll, then tool_pump) ... until call->ended
 *				   --> tool_end, which also abandons a call that has not ended
 */
#ifndef TOOL_H
#define TOOL_H

#include <poll.h>

#include "child.h"
#include "executor.h"
#include "linelog.h"

#define MAX_TOOLS 32
#define TOOL_POLL_FDS 3

struct Tool;

typedef struct ToolCall
{
	struct Tool *tool;
	struct ToolCall *next;
	Task	   *task;			/* NULL: abandoned, its answer is awaited */
	Outcome    *out;
	char		id[24];
	char	   *credential;		/* JSON; NULL: none */
	bool		sent;
	bool		ended;			/* the outcome is there */
	double		kill_at;		/* of an abandoned one */
} ToolCall;

typedef struct Tool
{
	Executor	executor;
	const char *command;		/* for /bin/sh, or NULL */
	const char *program;		/* a path, or NULL */
	Child		child;
	ToolCall   *calls;			/* that have not ended, oldest first */
	int			concurrency;	/* calls that the process wants at the same time */
	StringBuf	input;			/* what it has not taken yet */
	size_t		written;
	StringBuf	output;			/* the line that it is writing */
	size_t		scanned;
	LineLog		log;			/* its stderr */
	char		last_words[2000];	/* of stderr; more than an error quotes */
	int			crashes;		/* since it has answered last */
	double		start_at;		/* not before; 0: at once */
} Tool;

/* tools.c */
extern bool tools_init(void);
extern int	tool_count(void);
extern Tool *tool_at(int index);
extern Tool *tool_of_type(const char *type);

/* tool.c */
extern ToolCall *tool_begin(Tool *tool, Task *task, Outcome *out);
extern int	tool_poll(const Tool *tool, struct pollfd *fds, double *until);
extern void tool_pump(Tool *tool);
extern void tool_end(ToolCall *call);
extern int	tool_room(const Tool *tool);
extern OutcomeKind tool_execute(Task *task, Outcome *out);
extern void tools_stop(void);

/* tool_credential.c */
extern bool tool_credential(const Task *task, char **json, Outcome *out);

#endif							/* TOOL_H */
