/*
 * store/start_key.c
 *		Business keys of starts: noetl.start_key.
 */
#include "common/common.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "store/store.h"

#define KEY_ARGS	4

/* A statement about a key, and its plan, which this session keeps. */
typedef struct KeyStatement
{
	const char *sql;
	SPIPlanPtr	plan;
} KeyStatement;

#define WHERE_KEY \
	" WHERE k.path OPERATOR(pg_catalog.=) $1 AND k.key OPERATOR(pg_catalog.=) $2" \
	" AND k.started_by OPERATOR(pg_catalog.=) $3"

static KeyStatement claim = {
	"INSERT INTO noetl.start_key (path, key, started_by, execution_id)"
	" VALUES ($1, $2, $3, $4) ON CONFLICT (path, key, started_by) DO NOTHING", NULL
};

static KeyStatement give = {
	"INSERT INTO noetl.start_key (path, key, started_by, execution_id)"
	" VALUES ($1, $2, $3, $4) ON CONFLICT (path, key, started_by)"
	" DO UPDATE SET execution_id = excluded.execution_id", NULL
};

static KeyStatement find = {
	"SELECT k.execution_id FROM noetl.start_key AS k" WHERE_KEY, NULL
};

static KeyStatement find_and_lock = {
	"SELECT k.execution_id FROM noetl.start_key AS k" WHERE_KEY " FOR UPDATE", NULL
};

/*
 * Executes a statement as the owner of the tables.  Returns the number of rows;
 * *found (or NULL): the execution_id of the first.
 */
static uint64
execute_key(KeyStatement *statement, const StartKey *key, int64 execution_id, int64 *found)
{
	Oid			types[KEY_ARGS] = {TEXTOID, TEXTOID, REGROLEOID, INT8OID};
	Datum		values[KEY_ARGS] = {
		CStringGetTextDatum(key->path), CStringGetTextDatum(key->key),
		ObjectIdGetDatum(key->role), Int64GetDatum(execution_id)
	};
	Oid			user;
	int			context;
	int			code;
	uint64		rows;
	bool		isnull;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(store_owner(), context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	if (statement->plan == NULL)
	{
		statement->plan = SPI_prepare(statement->sql, KEY_ARGS, types);
		if (statement->plan == NULL || SPI_keepplan(statement->plan) != 0)
			elog(ERROR, "could not prepare a statement about noetl.start_key");
	}
	code = SPI_execute_plan(statement->plan, values, NULL, false, 0);
	if (code < 0)
		elog(ERROR, "could not execute a statement about noetl.start_key: %s",
			 SPI_result_code_string(code));
	rows = SPI_processed;
	if (rows > 0 && found != NULL)
		*found = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
											 &isnull));
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	return rows;
}

/* Gives a key that no execution has to one (store/start_key.h). */
bool
store_claim_key(const StartKey *key, int64 execution_id)
{
	return execute_key(&claim, key, execution_id, NULL) > 0;
}

/* Finds the execution that has a key (store/start_key.h). */
bool
store_find_key(const StartKey *key, bool lock, int64 *execution_id)
{
	return execute_key(lock ? &find_and_lock : &find, key, 0, execution_id) > 0;
}

/* Gives a key to an execution, whoever has it. */
void
store_give_key(const StartKey *key, int64 execution_id)
{
	(void) execute_key(&give, key, execution_id, NULL);
}
