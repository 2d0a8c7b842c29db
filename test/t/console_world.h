/*
 * test/t/console_world.h
 *		What console_world.c, which stands for the world around noetl-console, shares with
 *		the commands of console_parts.c.
 */
#ifndef CONSOLE_WORLD_H
#define CONSOLE_WORLD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

#include <microhttpd.h>

#define MAX_ARGS 60
#define MAX_RULES 64
#define MAX_CONNECTIONS 600

/* What a statement is answered that has some text; the last rule that fits counts. */
typedef struct Rule
{
	char	   *sql;			/* a part of the statement */
	char	   *answer;
} Rule;

struct MHD_Connection
{
	void	   *context;		/* of the connection */
	void	   *request;
	union MHD_ConnectionInfo info;
	bool		suspended;
	struct MHD_Response *response;	/* a stream that goes on */
	uint64_t	position;
};

struct MHD_Response
{
	char		headers[2000];
	const char *body;
	size_t		size;
	bool		owned;			/* the body is to be freed */
	bool		kept;
	MHD_ContentReaderCallback read;
	void	   *cls;
	MHD_ContentReaderFreeCallback free;
};

extern char *args[MAX_ARGS];	/* of the command; NULL behind the last */
extern bool trace;
extern bool counting;
extern int	counted;
extern char failing[200];
extern time_t clock_set;
extern int	tokens;
extern rlim_t file_limit;
extern rlim_t most_files;
extern char script[2000];
extern char *script_at;
extern jmp_buf script_over;
extern const char *layout_text;
extern int	layout_status;
extern void *(*worker) (void *);
extern void *(*looker) (void *);
extern jmp_buf idle;
extern Rule rules[MAX_RULES];
extern int	nrules;
extern bool connected;
extern bool with_password;
extern MHD_AccessHandlerCallback take;
extern MHD_NotifyConnectionCallback changed;
extern MHD_RequestCompletedCallback completed;
extern struct MHD_Connection connections[MAX_CONNECTIONS];
extern bool all_headers;
extern bool answered;

/* Passes the time. */
extern void pass(long long ms);
/* Gives the held session back, once (console_parts.c). */
extern void give_back(void);
/* Frees a response that no connection has. */
extern void free_response(struct MHD_Response *response);

#endif							/* CONSOLE_WORLD_H */
