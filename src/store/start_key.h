/*
 * store/start_key.h
 *		Business keys of starts: noetl.start_key.
 *
 * A part of the door (store/store.h).  A new key is inserted without SPI; the other
 * statements run as the owner of the tables.  The index of the table makes starts
 * with one key wait for each other; starts without a key never come here.
 */
#ifndef NOETL_STORE_START_KEY_H
#define NOETL_STORE_START_KEY_H

/* A business key: it belongs to the role that the execution runs for. */
typedef struct StartKey
{
	const char *path;			/* of the catalog */
	const char *key;
	Oid			role;
} StartKey;

/*
 * Gives a key that no execution has to one.  Returns false when it has one.  Waits
 * for a transaction that is just giving it away.  In REPEATABLE READ it raises a
 * serialization failure when another execution got it after the snapshot.
 */
extern bool store_claim_key(const StartKey *key, int64 execution_id);

/*
 * Finds the execution that has a key; returns false when none has.  lock: until the
 * end of the transaction no other one gives the key to another execution.
 */
extern bool store_find_key(const StartKey *key, bool lock, int64 *execution_id);

/* Gives a key to an execution, whoever has it. */
extern void store_give_key(const StartKey *key, int64 execution_id);

#endif							/* NOETL_STORE_START_KEY_H */
