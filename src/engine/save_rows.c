/*
 * engine/save_rows.c
 *		The rows that a statement returns, as a JSON list of objects.
 *
 * A row becomes what to_jsonb() makes of it.  The list is bounded while it grows,
 * so that a statement with too many rows ends before it fills the memory.
 */
#include "common/common.h"

#include "utils/memutils.h"

#include "engine/internal.h"
#include "engine/row_json.h"
#include "engine/save_session.h"

/* The receiver of rows; its memory and the list live as long as the request. */
typedef struct RowReceiver
{
	DestReceiver pub;
	MemoryContext memory;
	MemoryContext row_memory;	/* emptied after each row */
	JsonBuilder list;
	int64		size;			/* of the list so far, in bytes */
	int			max_bytes;
	RowJson		columns;
} RowReceiver;

/* Prepares the conversion of the columns; a DestReceiver's rStartup. */
static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
	RowReceiver *receiver = (RowReceiver *) self;

	row_json_prepare(&receiver->columns, desc, receiver->memory);
}

/* Adds a row to the list, and raises when that is too long; receiveSlot. */
static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->row_memory);
	JsonbValue	row;
	JsonbValue	copy;
	Jsonb	   *jsonb;

	row_json_build(&receiver->columns, slot, &row);
	jsonb = json_to_jsonb(&row);
	receiver->size += VARSIZE(jsonb);
	if (receiver->size > receiver->max_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the rows of the statement are larger than noetl.template_max_output"),
				 errdetail("The setting allows %d bytes.", receiver->max_bytes),
				 errhint("Select fewer rows or columns.")));
	MemoryContextSwitchTo(receiver->memory);
	json_from_jsonb(jsonb, &row);
	json_copy(&row, &copy);
	json_push(&receiver->list, &copy);
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->row_memory);
	return true;
}

/* Does nothing; rShutdown and rDestroy. */
static void
end_rows(DestReceiver *self)
{
}

/*
 * Returns a receiver whose rows stay in the memory context and may take so many
 * bytes.  The setting itself is that of a new session while the statement runs.
 */
DestReceiver *
save_rows_begin(MemoryContext memory, int max_bytes)
{
	MemoryContext old = MemoryContextSwitchTo(memory);
	RowReceiver *receiver = palloc0(sizeof(RowReceiver));

	receiver->pub.receiveSlot = take_row;
	receiver->pub.rStartup = start_rows;
	receiver->pub.rShutdown = end_rows;
	receiver->pub.rDestroy = end_rows;
	receiver->pub.mydest = DestNone;
	receiver->memory = memory;
	receiver->max_bytes = max_bytes;
	receiver->row_memory = AllocSetContextCreate(memory, "noetl returned row",
												 ALLOCSET_DEFAULT_SIZES);
	json_begin_array(&receiver->list);
	MemoryContextSwitchTo(old);
	return &receiver->pub;
}

/* Finds the list of the rows that a receiver has got. */
void
save_rows_end(DestReceiver *self, JsonbValue *rows)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->memory);

	json_end_array(&receiver->list, rows);
	MemoryContextDelete(receiver->row_memory);
	MemoryContextSwitchTo(old);
}
