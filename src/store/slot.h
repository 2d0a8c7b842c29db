/*
 * store/slot.h
 *		A part of the door (store/store.h): columns of tuple slots.
 */
#ifndef NOETL_STORE_SLOT_H
#define NOETL_STORE_SLOT_H

#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

/* Columns of noetl.execution, workload, run, item, signal, message and start_key */
enum
{
	EXECUTION_ID = 1, EXECUTION_CATALOG_ID, EXECUTION_PARENT_ID,
	EXECUTION_PARENT_EVENT_ID, EXECUTION_PATH, EXECUTION_VERSION,
	EXECUTION_STATUS, EXECUTION_STARTED_AT, EXECUTION_ENDED_AT,
	EXECUTION_RESULT, EXECUTION_ERROR, EXECUTION_DEPTH, EXECUTION_CURRENT_INDEX,
	EXECUTION_STARTED_BY, EXECUTION_DEADLINE, EXECUTION_LABELS,
	EXECUTION_PRIORITY, EXECUTION_RUN_AT, EXECUTION_SCHEDULE, EXECUTION_SETTINGS,
	EXECUTION_DRIVE, EXECUTION_PAUSED,
	EXECUTION_COLUMNS = EXECUTION_PAUSED
};
enum
{
	WORKLOAD_EXECUTION_ID = 1, WORKLOAD_CREATED_AT, WORKLOAD_DATA,
	WORKLOAD_COLUMNS = WORKLOAD_DATA
};
enum
{
	RUN_EXECUTION_ID = 1, RUN_STEP_NAME, RUN_VISIT, RUN_STATE, RUN_ARRIVALS,
	RUN_CREATED_AT, RUN_EVENT_ID, RUN_ATTEMPTS, RUN_DUE_AT, RUN_CONTEXT,
	RUN_SIGNALS, RUN_SIGNAL_KEY,
	RUN_COLUMNS = RUN_SIGNAL_KEY
};
enum
{
	SIGNAL_EXECUTION_ID = 1, SIGNAL_EVENT_ID, SIGNAL_NAME, SIGNAL_ID, SIGNAL_TAKEN,
	SIGNAL_COLUMNS = SIGNAL_TAKEN
};
enum
{
	MESSAGE_ID = 1, MESSAGE_NAME, MESSAGE_KEY, MESSAGE_DATA, MESSAGE_SENDERS_ID,
	MESSAGE_SENT_BY, MESSAGE_SENT_AT, MESSAGE_EXPIRES_AT, MESSAGE_TAKEN,
	MESSAGE_COLUMNS = MESSAGE_TAKEN
};
enum
{
	ARRIVAL_EXECUTION_ID = 1, ARRIVAL_STEP_NAME, ARRIVAL_VISIT, ARRIVAL_NUMBER,
	ARRIVAL_ARRIVAL,
	ARRIVAL_COLUMNS = ARRIVAL_ARRIVAL
};

enum
{
	ITEM_EXECUTION_ID = 1, ITEM_STEP_NAME, ITEM_VISIT, ITEM_INDEX, ITEM_ITEM,
	ITEM_COLUMNS = ITEM_ITEM
};

enum
{
	START_KEY_PATH = 1, START_KEY_KEY, START_KEY_STARTED_BY, START_KEY_EXECUTION_ID,
	START_KEY_COLUMNS = START_KEY_EXECUTION_ID
};

enum
{
	SLOT_QUEUE_ID = 1, SLOT_ORDINAL, SLOT_NAME, SLOT_KEY, SLOT_EXECUTION_ID, SLOT_TASK,
	SLOT_HELD, SLOT_SPEC, SLOT_SINCE,
	SLOT_COLUMNS = SLOT_SINCE
};

/* Columns of noetl.limit_rule that are read without SPI */
enum
{
	LIMIT_RULE_CONCURRENCY = 2, LIMIT_RULE_RATE, LIMIT_RULE_PER, LIMIT_RULE_BURST
};

/* Columns of noetl.limit_pace that are read without SPI */
enum
{
	LIMIT_PACE_DUE_AT = 4
};

/* Columns of noetl.schedule that are read without SPI */
enum
{
	SCHEDULE_ID = 1, SCHEDULE_ENABLED = 10, SCHEDULE_NEXT_AT = 13, SCHEDULE_QUEUED_AT = 15,
	SCHEDULE_LAST_EXECUTION_ID
};

/* Returns a column of a slot; NULL is 0. */
static inline Datum
slot_column(TupleTableSlot *slot, int attribute)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attribute, &isnull);

	return isnull ? (Datum) 0 : value;
}

/* Returns a text column as a C string, or NULL. */
static inline char *
slot_text(TupleTableSlot *slot, int attribute)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attribute, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Returns a copy of a jsonb column, detoasted, or NULL. */
static inline Jsonb *
slot_jsonb(TupleTableSlot *slot, int attribute)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attribute, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(value);
}

/* Empties a slot that is going to be filled: all columns are NULL. */
static inline void
slot_begin(TupleTableSlot *slot)
{
	if (!TTS_EMPTY(slot))
		ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
}

/* Begins a new version of a row: the slot points to the values of "row". */
static inline void
slot_begin_version(TupleTableSlot *slot, TupleTableSlot *row)
{
	int			natts = row->tts_tupleDescriptor->natts;

	slot_getallattrs(row);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, row->tts_values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, row->tts_isnull, natts * sizeof(bool));
}

/* Sets a column of a slot being filled. */
static inline void
slot_set(TupleTableSlot *slot, int attribute, Datum value)
{
	slot->tts_values[attribute - 1] = value;
	slot->tts_isnull[attribute - 1] = false;
}

/* Sets a column to NULL. */
static inline void
slot_set_null(TupleTableSlot *slot, int attribute)
{
	slot->tts_isnull[attribute - 1] = true;
}

/* Sets a text column; a NULL pointer is stored as NULL. */
static inline void
slot_set_text(TupleTableSlot *slot, int attribute, const char *value)
{
	if (value == NULL)
		slot_set_null(slot, attribute);
	else
		slot_set(slot, attribute, CStringGetTextDatum(value));
}

/* Sets a bigint column; 0 is stored as NULL. */
static inline void
slot_set_id(TupleTableSlot *slot, int attribute, int64 value)
{
	if (value == 0)
		slot_set_null(slot, attribute);
	else
		slot_set(slot, attribute, Int64GetDatum(value));
}

/* Sets a jsonb column; a NULL pointer is stored as NULL. */
static inline void
slot_set_jsonb(TupleTableSlot *slot, int attribute, const Jsonb *value)
{
	if (value == NULL)
		slot_set_null(slot, attribute);
	else
		slot_set(slot, attribute, PointerGetDatum(value));
}

#endif							/* NOETL_STORE_SLOT_H */
