/*
 * store/relation.h
 *		The tables, indexes and sequences of the extension.
 */
#ifndef NOETL_STORE_RELATION_H
#define NOETL_STORE_RELATION_H

#include "utils/relcache.h"

typedef enum StoreRelation
{
	/* tables */
	REL_EXECUTION,
	REL_WORKLOAD,
	REL_EVENT,
	REL_RUN,
	REL_ARRIVAL,
	REL_ITEM,
	REL_PENDING,
	REL_SCHEDULE,
	REL_QUEUE,
	REL_SIGNAL,
	REL_MESSAGE,
	REL_LIMIT_PACE,
	REL_START_KEY,
	REL_SLOT,
	REL_LIMIT_RULE,
	/* indexes */
	REL_EXECUTION_PKEY,
	REL_EXECUTION_PARENT_IDX,
	REL_EXECUTION_DEADLINE_IDX,
	REL_EXECUTION_RUN_AT_IDX,
	REL_WORKLOAD_PKEY,
	REL_EVENT_PKEY,				/* of the partition in use, as is the next: */
	REL_EVENT_RESULT_IDX,
	REL_RUN_PKEY,
	REL_RUN_DUE_IDX,
	REL_RUN_SIGNAL_IDX,
	REL_ARRIVAL_PKEY,
	REL_ITEM_PKEY,
	REL_PENDING_PKEY,
	REL_SCHEDULE_NEXT_IDX,
	REL_SCHEDULE_QUEUED_IDX,
	REL_QUEUE_PKEY,
	REL_QUEUE_READY_IDX,
	REL_QUEUE_FAIR_IDX,
	REL_QUEUE_FAIR_ID_IDX,
	REL_QUEUE_RUN_IDX,
	REL_QUEUE_VISIT_IDX,
	REL_QUEUE_RETRY_IDX,
	REL_QUEUE_LEASE_IDX,
	REL_SIGNAL_PKEY,
	REL_SIGNAL_KEPT_IDX,
	REL_SIGNAL_ID_IDX,
	REL_MESSAGE_KEPT_IDX,
	REL_MESSAGE_ID_IDX,
	REL_MESSAGE_EXPIRES_IDX,
	REL_LIMIT_PACE_PKEY,
	REL_LIMIT_PACE_DUE_IDX,
	REL_START_KEY_PKEY,
	REL_SLOT_PKEY,
	REL_SLOT_HELD_IDX,
	REL_SLOT_WAITING_IDX,
	REL_SLOT_EXECUTION_IDX,
	REL_LIMIT_RULE_PKEY,
	/* sequences */
	REL_ID_SEQ,
	REL_QUEUE_SEQ,
	REL_COUNT
} StoreRelation;

#define STORE_TABLES	(REL_LIMIT_RULE + 1)

/* Returns the OID of a relation; raises an error when it is not installed. */
extern Oid	store_relation(StoreRelation which);

/* Returns the partition of noetl.event that holds an execution's events. */
extern Oid	store_event_leaf(int64 execution_id);

/* Makes store_index return the event indexes of a partition. */
extern void store_use_event_leaf(Relation leaf);

/* Returns the index to scan. */
extern Oid	store_index(StoreRelation which);

#endif							/* NOETL_STORE_RELATION_H */
