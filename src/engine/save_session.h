/*
 * engine/save_session.h
 *		What a save sees of the session that it happens in: nothing.
 */
#ifndef NOETL_ENGINE_SAVE_SESSION_H
#define NOETL_ENGINE_SAVE_SESSION_H

#include "tcop/dest.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* What is put back when a save is over. */
typedef struct SaveSession
{
	Oid			user;
	int			context;		/* security context */
	int			nesting;		/* of settings */
	Oid			temp;			/* temporary namespaces, when they are hidden */
	Oid			temp_toast;
	bool		hidden;
	Oid			nowhere;		/* a namespace that does not exist: pg_temp meanwhile */
	struct LockedKeys *locks;	/* advisory locks held before */
} SaveSession;

/* Notes what the session has; called outside of the save's subtransaction. */
extern void save_session_note(SaveSession *session);
/*
 * Becomes the role, as a security-restricted operation, with the settings that
 * a new session of the role has and without temporary objects.  Called inside
 * the subtransaction.
 */
extern void save_session_enter(SaveSession *session, Oid role);
/* The save has succeeded: raises when it made temporary objects, and goes back. */
extern void save_session_leave(SaveSession *session);
/*
 * Makes temporary objects visible again, after success and after an error;
 * raises nothing.
 */
extern void save_session_reveal(SaveSession *session);
/* Outside of the subtransaction again: releases locks that the save left behind. */
extern void save_session_clean(SaveSession *session);

/* Gives all settings the values that they have in a new session of the role. */
extern void save_settings_apply(Oid role);

/* Returns the value that a setting has in a new session of the role; NULL: unknown. */
extern const char *save_settings_value(const char *name, Oid role);

/* The limit of time of one statement (save_timeout.c). */
typedef struct SaveTimeout
{
	TimestampTz outer;			/* the deadline of the statement around it; 0: none */
	bool		is_set;
} SaveTimeout;

/* Begins the limit of a statement, in microseconds; 0: it has none of its own. */
extern void save_timeout_begin(SaveTimeout *timeout, int64 us);
/* Ends it; returns whether it has cancelled the statement.  Raises nothing. */
extern bool save_timeout_end(SaveTimeout *timeout);

/*
 * Returns a receiver of rows (save_rows.c), which stay in the memory context.  It
 * raises when they are larger than max_bytes.
 */
extern DestReceiver *save_rows_begin(MemoryContext memory, int max_bytes);
/* Finds the list of the rows that it has got, as objects. */
extern void save_rows_end(DestReceiver *self, JsonbValue *rows);

#endif							/* NOETL_ENGINE_SAVE_SESSION_H */
