/*
 * api/announce.c
 *		Workers announce themselves: once a minute a session notes in
 *		noetl.runtime for which types its worker has asked.
 */
#include "common/common.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/announce.h"
#include "store/store.h"

PG_FUNCTION_INFO_V1(noetl_announce);

/* How long a note is good for */
#define NOTE_US			INT64CONST(60000000)
/* A session notes at most as many pairs of worker and types in that time */
#define MAX_NOTES		16

/* What this session has noted lately. */
typedef struct Note
{
	uint32		worker;			/* hash of the name */
	Datum		types;			/* hash of the types */
	TimestampTz at;				/* 0: never */
} Note;

static Note notes[MAX_NOTES];

/*
 * Returns the place for a note that is due, or NULL: it was made lately, or so
 * many were that this one has to wait.
 */
static Note *
due_note(uint32 worker, Datum types, TimestampTz now)
{
	Note	   *oldest = &notes[0];

	for (int i = 0; i < MAX_NOTES; i++)
	{
		Note	   *note = &notes[i];

		if (note->at != 0 && note->worker == worker && note->types == types)
			return now - note->at < NOTE_US && now >= note->at ? NULL : note;
		if (note->at < oldest->at)
			oldest = note;
	}
	return now - oldest->at < NOTE_US && now >= oldest->at ? NULL : oldest;
}

/*
 * Makes this transaction the only one that writes a worker's row; false when
 * another one does.  Never waits.
 */
static bool
lock_worker(uint32 worker)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, worker, LOCK_CLASS_RUNTIME);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Writes the note as the owner of the tables; returns whether it was written. */
static bool
write_note(Datum *values, const char *nulls)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {TEXTOID, TEXTARRAYOID, JSONBOID};
	Oid			user;
	int			context;
	bool		isnull;
	bool		written;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(store_owner(), context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
	if (plan == NULL)
	{
		SPIPlanPtr	new = SPI_prepare("SELECT noetl.note_worker($1, $2, $3)", 3, types);

		if (new == NULL || SPI_keepplan(new) != 0)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		plan = new;
	}
	if (SPI_execute_plan(plan, values, nulls, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "noetl.note_worker has failed");
	written = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
										 1, &isnull));
	SetUserIdAndSecContext(user, context);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return written && !isnull;
}

/*
 * See announce.h.  Under REPEATABLE READ nothing is noted: another session's
 * note would make the caller's transaction fail.
 */
void
announce_lease(const char *worker_id, Datum types, bool any_type)
{
	uint32		worker = hash_bytes((const unsigned char *) worker_id, strlen(worker_id));
	Datum		types_hash = 0;
	TimestampTz now = GetCurrentTimestamp();
	Note	   *note;
	Datum		values[3];
	char		nulls[] = {' ', ' ', 'n'};

	if (!any_type)
	{
		struct varlena *array = PG_DETOAST_DATUM_PACKED(types);

		types_hash = hash_any((unsigned char *) VARDATA_ANY(array), VARSIZE_ANY_EXHDR(array));
	}
	note = due_note(worker, types_hash, now);
	if (note == NULL || IsolationUsesXactSnapshot())
		return;
	note->worker = worker;
	note->types = types_hash;
	note->at = now;
	if (!lock_worker(worker))
		return;
	values[0] = CStringGetTextDatum(worker_id);
	values[1] = types;
	values[2] = (Datum) 0;
	nulls[1] = any_type ? 'n' : ' ';
	(void) write_note(values, nulls);
}

/* noetl.announce(worker_id, types, info) */
Datum
noetl_announce(PG_FUNCTION_ARGS)
{
	text	   *worker_id;
	Datum		values[3];
	char		nulls[] = {' ', ' ', ' '};

	if (PG_ARGISNULL(0) || VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("worker_id must not be empty")));
	worker_id = PG_GETARG_TEXT_PP(0);
	if (!lock_worker(hash_bytes((unsigned char *) VARDATA_ANY(worker_id),
								VARSIZE_ANY_EXHDR(worker_id))))
		PG_RETURN_BOOL(false);
	for (int i = 0; i < 3; i++)
	{
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	PG_RETURN_BOOL(write_note(values, nulls));
}
