/*
 * store/start_key.c
 *		Business keys of starts: noetl.start_key.
 */
#include "common/common.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "store/sql.h"
#include "store/table.h"

#define WHERE_KEY \
	" WHERE k.path OPERATOR(pg_catalog.=) $1 AND k.key OPERATOR(pg_catalog.=) $2" \
	" AND k.started_by OPERATOR(pg_catalog.=) $3"

static SqlStatement claim = {
	"INSERT INTO noetl.start_key (path, key, started_by, execution_id)"
	" VALUES ($1, $2, $3, $4) ON CONFLICT (path, key, started_by) DO NOTHING",
	4, {TEXTOID, TEXTOID, REGROLEOID, INT8OID}, NULL
};

static SqlStatement give = {
	"INSERT INTO noetl.start_key (path, key, started_by, execution_id)"
	" VALUES ($1, $2, $3, $4) ON CONFLICT (path, key, started_by)"
	" DO UPDATE SET execution_id = excluded.execution_id",
	4, {TEXTOID, TEXTOID, REGROLEOID, INT8OID}, NULL
};

static SqlStatement find = {
	"SELECT k.execution_id FROM noetl.start_key AS k" WHERE_KEY,
	4, {TEXTOID, TEXTOID, REGROLEOID, INT8OID}, NULL
};

static SqlStatement find_and_lock = {
	"SELECT k.execution_id FROM noetl.start_key AS k" WHERE_KEY " FOR UPDATE",
	4, {TEXTOID, TEXTOID, REGROLEOID, INT8OID}, NULL
};

/* SqlRow: reads an execution_id. */
static void
read_execution_id(void *arg, HeapTuple row, TupleDesc desc)
{
	*(int64 *) arg = DatumGetInt64(sql_column(row, desc, 1));
}

/*
 * Executes a statement about a key.  Returns the number of rows; *found: the
 * execution_id of the row that it returns.
 */
static uint64
execute_key(SqlStatement *statement, const StartKey *key, int64 execution_id, int64 *found)
{
	Datum		values[] = {
		CStringGetTextDatum(key->path), CStringGetTextDatum(key->key),
		ObjectIdGetDatum(key->role), Int64GetDatum(execution_id)
	};

	return sql_execute_kept(statement, values, false, read_execution_id, found);
}

/*
 * Gives a key to an execution without SPI: most keys are new.  Returns whether that was
 * done; *decided: an execution has the key otherwise.  When the table is not as it comes,
 * or an older snapshot matters, a statement decides.
 */
static bool
claim_new_key(const StartKey *key, int64 execution_id, bool *decided)
{
	Store	   *store = store_open(InvalidOid);
	StoreTable *table = store_table(store, REL_START_KEY);
	TupleTableSlot *slot = table->insert_slot;
	bool		plain = !store_has_triggers(table) &&
		RelationGetDescr(table->relation)->natts == START_KEY_COLUMNS;
	bool		claimed = false;

	if (plain)
	{
		slot_begin(slot);
		slot_set_text(slot, START_KEY_PATH, key->path);
		slot_set_text(slot, START_KEY_KEY, key->key);
		slot_set(slot, START_KEY_STARTED_BY, ObjectIdGetDatum(key->role));
		slot_set(slot, START_KEY_EXECUTION_ID, Int64GetDatum(execution_id));
		claimed = store_write_new(store, table, REL_START_KEY_PKEY);
	}
	store_close(store);
	*decided = plain && (claimed || !IsolationUsesXactSnapshot());
	return claimed;
}

/* Gives a key that no execution has to one (store/start_key.h). */
bool
store_claim_key(const StartKey *key, int64 execution_id)
{
	bool		decided;
	bool		claimed = claim_new_key(key, execution_id, &decided);

	return decided ? claimed : execute_key(&claim, key, execution_id, NULL) > 0;
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
