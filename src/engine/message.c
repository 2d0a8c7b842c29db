/*
 * engine/message.c
 *		Messages: signals for whoever waits for a name and a key.
 *
 *		engine_send ──┬─ executions that wait ──> signal_received in each
 *		              └─ none: noetl.message, where a wait that opens finds it
 *		message_offer ──> the first message that the new wait takes
 *
 * A sender that finds nobody and a wait that finds nothing must not miss each other.
 * So both hold locks of the name and the key when they look for the last time, until
 * their transactions end: waits share them, a sender does not.  A sender takes them
 * only when it has found nobody, and waits for no execution while it holds them; else a
 * wait, whose session has an execution's lock, could wait for it in a circle.
 *
 * There is such a lock for each role: a wait takes that of its execution's role, a
 * sender those of all roles that it may act for.  One more stands for senders that may
 * act for all, or for very many.  So nobody can hold up the executions of others.
 *
 * What a wait takes becomes an event of its execution, so that its log says all.
 * Messages themselves belong to no execution.
 */
#include "common/common.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/internal.h"

/* Ids of messages are remembered at least as long. */
#define REMEMBERED_US	(INT64CONST(24) * 3600 * USECS_PER_SEC)
/* How many messages that have expired a sender deletes. */
#define SWEEP_BATCH		100

/* A sender that may act for more roles than this takes the lock that stands for all. */
#define MOST_ROLES	32

/*
 * Takes, or gives back, the lock of a name, a key and a role (InvalidOid: all roles);
 * with an id, of that role's message with this id.
 */
static void
message_lock(const SignalRequest *request, Oid role, const char *id, LOCKMODE mode, bool take)
{
	StringInfoData text;
	LOCKTAG		tag;
	uint64		hash;

	initStringInfo(&text);
	appendBinaryStringInfo(&text, request->name, strlen(request->name) + 1);
	appendBinaryStringInfo(&text, request->key, strlen(request->key) + 1);
	appendBinaryStringInfo(&text, (char *) &role, sizeof(role));
	if (id != NULL)
		appendStringInfoString(&text, id);
	hash = DatumGetUInt64(hash_any_extended((const unsigned char *) text.data, text.len,
											id != NULL ? 1 : 0));
	pfree(text.data);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash,
						 LOCK_CLASS_MESSAGES);
	if (take)
		(void) LockAcquire(&tag, mode, false, false);
	else
		(void) LockRelease(&tag, mode, false);
}

/*
 * Takes, or gives back, what keeps waits of these roles (NIL: of all) from opening
 * unseen.  The order is the same for all senders.
 */
static void
sender_lock(const SignalRequest *request, const List *roles, bool take)
{
	ListCell   *lc;

	if (roles == NIL)
		message_lock(request, InvalidOid, NULL, ExclusiveLock, take);
	foreach(lc, roles)
		message_lock(request, lfirst_oid(lc), NULL, ExclusiveLock, take);
}

/* ---------------------------------------------------------------------------
 * A message is sent
 * ---------------------------------------------------------------------------
 */

/*
 * Gives a signal to an execution, if it is the current role's and has a wait that
 * takes it; returns whether it has.
 */
static bool
deliver(int64 execution_id, const SignalRequest *request, TimestampTz sent_at)
{
	Store	   *store;
	Event		event;
	Oid			role;

	if (!store_started_by(execution_id, &role) || !engine_acts_for(role))
		return false;
	signal_fill(&event, execution_id, request);
	event.sent_by = GetUserNameFromId(GetUserId(), false);
	event.sent_at = sent_at;
	if (!evaluate_would_take(&event))
		return false;
	store = store_open(InvalidOid);
	(void) engine_ingest(store, &event);
	store_close(store);
	return true;
}

/*
 * Returns the executions (int64 *) that wait for a signal and were not asked before.  The
 * tables do not show the waits that executions have begun which this session decides on.
 */
static List *
not_asked(const SignalRequest *request, HTAB *asked)
{
	Store	   *store = store_open(InvalidOid);
	List	   *executions = store_waiting_executions(store, request->name, request->key);
	List	   *fresh = NIL;
	ListCell   *lc;

	store_close(store);
	executions = frame_add_writing(executions);
	foreach(lc, executions)
	{
		bool		found;

		(void) hash_search(asked, lfirst(lc), HASH_ENTER, &found);
		if (!found)
			fresh = lappend(fresh, lfirst(lc));
	}
	return fresh;
}

/*
 * Gives a signal to all executions that wait for it; returns how many took it.
 * *locked: there was none, and the lock of the name and the key is held: whoever
 * begins to wait will look for messages.
 */
static int64
deliver_to_all(const SignalRequest *request, TimestampTz sent_at, bool keep, bool *locked)
{
	HASHCTL		control = {0};
	List	   *roles = keep ? engine_roles_acted_for(MOST_ROLES) : NIL;
	HTAB	   *asked;
	int64		delivered = 0;

	list_sort(roles, list_oid_cmp);

	control.keysize = control.entrysize = sizeof(int64);
	control.hcxt = CurrentMemoryContext;
	asked = hash_create("noetl executions asked", 64, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	*locked = false;
	while (delivered == 0)
	{
		List	   *executions = not_asked(request, asked);
		ListCell   *lc;

		CHECK_FOR_INTERRUPTS();
		if (executions == NIL && (*locked || !keep))
			break;
		if (executions == NIL)
			sender_lock(request, roles, true);
		else if (*locked)
			sender_lock(request, roles, false);
		*locked = executions == NIL;
		foreach(lc, executions)
			delivered += deliver(*(int64 *) lfirst(lc), request, sent_at) ? 1 : 0;
	}
	hash_destroy(asked);
	return delivered;
}

/* Stores a message: it is kept, or its id is remembered. */
static void
keep_message(const SignalRequest *request, TimestampTz sent_at, int64 keep_us, bool taken)
{
	Store	   *store = store_open(InvalidOid);
	Message		message;

	memset(&message, 0, sizeof(message));
	message.message_id = new_execution_id();
	message.name = request->name;
	message.key = request->key;
	message.data = taken ? NULL : request->data;
	message.id = request->id;
	message.sent_by = GetUserId();
	message.sent_at = sent_at;
	message.expires_at = sent_at + (taken ? Max(keep_us, REMEMBERED_US) : keep_us);
	message.taken = taken;
	store_insert_message(store, &message);
	store_close(store);
}

/* Sends a signal to all that wait for it (engine/engine.h). */
int64
engine_send(const SignalRequest *request, int64 keep_us)
{
	SignalRequest plain = *request;
	TimestampTz sent_at = GetCurrentTimestamp();
	int64		delivered;
	Store	   *store = store_open(InvalidOid);
	bool		known = false;
	bool		locked;
	Event		event;

	signal_fill(&event, 0, request);
	signal_check(&event);
	store_sweep_messages(store, SWEEP_BATCH);
	if (request->id != NULL)
	{
		message_lock(request, GetUserId(), request->id, ExclusiveLock, true);
		known = store_message_known(store, request->name, request->key, GetUserId(),
									request->id);
	}
	store_close(store);
	if (known)
		return 0;
	plain.id = NULL;			/* executions know the ids of their own signals */
	delivered = deliver_to_all(&plain, sent_at, keep_us > 0, &locked);
	if (delivered > 0 ? request->id != NULL : locked)
		keep_message(request, sent_at, keep_us, delivered > 0);
	return delivered;
}

/* ---------------------------------------------------------------------------
 * A wait has begun
 * ---------------------------------------------------------------------------
 */

/* Messages of one name and one sender. */
typedef struct MessageSource
{
	const char *name;
	Oid			sent_by;
} MessageSource;

/* For list_sort: by name. */
static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp((const char *) lfirst(a), (const char *) lfirst(b));
}

/*
 * Returns the names of a wait (char *), in the order in which their locks are taken:
 * it is the same for all waits.
 */
static List *
names_of(const OpenedWait *wait)
{
	JsonbIterator *it = json_walk(&wait->names);
	List	   *names = NIL;
	JsonbValue	name;

	while (json_next_element(&it, &name))
		names = lappend(names, pnstrdup(name.val.string.val, name.val.string.len));
	list_sort(names, compare_names);
	return names;
}

/*
 * Returns where messages for a wait can come from (MessageSource *): from roles that
 * may act for its execution.  Locks out those who would send more.
 */
static List *
message_sources(const Execution *execution, const OpenedWait *wait)
{
	List	   *names = names_of(wait);
	List	   *sources = NIL;
	ListCell   *lc;

	foreach(lc, names)
	{
		SignalRequest request = {(char *) lfirst(lc), wait->key, NULL, NULL};
		Store	   *store;
		List	   *senders;
		ListCell   *sender;

		message_lock(&request, execution->started_by, NULL, ShareLock, true);
		message_lock(&request, InvalidOid, NULL, ShareLock, true);
		store = store_open(InvalidOid);
		senders = store_message_senders(store, request.name, wait->key);
		store_close(store);
		foreach(sender, senders)
		{
			MessageSource *source = palloc(sizeof(MessageSource));

			source->name = request.name;
			source->sent_by = lfirst_oid(sender);
			if (engine_role_acts_for(source->sent_by, execution->started_by))
				sources = lappend(sources, source);
		}
	}
	return sources;
}

/* Finds the first message after another one that one of the sources has. */
static bool
next_message(const OpenedWait *wait, const List *sources, int64 after, Message *message)
{
	Store	   *store = store_open(InvalidOid);
	bool		found = false;
	ListCell   *lc;

	foreach(lc, sources)
	{
		const MessageSource *source = (MessageSource *) lfirst(lc);
		Message		other;

		if (store_next_message(store, source->name, wait->key, source->sent_by, after, &other) &&
			(!found || other.message_id < message->message_id))
		{
			*message = other;
			found = true;
		}
	}
	store_close(store);
	return found;
}

/*
 * Gives a message to an execution as a signal, if the execution has a wait that takes
 * it and no other session has taken it; returns whether it has.
 */
static bool
give(const Execution *execution, Message *message)
{
	SignalRequest request = {message->name, message->key, message->data, NULL};
	Store	   *store;
	Event		event;
	bool		locked;

	signal_fill(&event, execution->execution_id, &request);
	event.sent_by = GetUserNameFromId(message->sent_by, true);
	event.sent_at = message->sent_at;
	if (event.sent_by == NULL)
		event.sent_by = psprintf("%u", message->sent_by);
	if (!evaluate_would_take(&event))
		return false;
	store = store_open(InvalidOid);
	locked = store_lock_message(store, message);
	if (locked)
	{
		store_take_message(store);
		(void) engine_ingest(store, &event);
	}
	store_close(store);
	return locked;
}

/* Gives an execution the first message that its wait takes. */
static void
offer_to(const Execution *execution, const OpenedWait *wait)
{
	List	   *sources = message_sources(execution, wait);
	Message		message;
	int64		after = 0;

	while (sources != NIL && next_message(wait, sources, after, &message))
	{
		CHECK_FOR_INTERRUPTS();
		if (give(execution, &message))
			break;
		after = message.message_id;
	}
}

/* Executions whose new waits are looked after by this session, the innermost first. */
typedef struct Offering
{
	int64		execution_id;
	List	   *waits;			/* OpenedWait * */
	MemoryContext memory;		/* of what is added to them */
	struct Offering *outer;
} Offering;

static Offering *offerings = NULL;

/* Adds waits to those of an execution that is being looked after. */
static void
add_waits(Offering *offering, const List *opened)
{
	MemoryContext old = MemoryContextSwitchTo(offering->memory);
	ListCell   *lc;

	foreach(lc, opened)
	{
		const OpenedWait *wait = (OpenedWait *) lfirst(lc);
		OpenedWait *copy = palloc(sizeof(OpenedWait));

		copy->key = pstrdup(wait->key);
		json_copy(&wait->names, &copy->names);
		offering->waits = lappend(offering->waits, copy);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Gives an execution the messages that were kept for waits which have begun.  A
 * message may lead to the next wait; the outermost call looks after that too, so that
 * a long chain does not nest.
 */
void
message_offer(const Execution *execution, const List *opened)
{
	Offering	offering;

	for (Offering *outer = offerings; outer != NULL; outer = outer->outer)
		if (outer->execution_id == execution->execution_id)
		{
			add_waits(outer, opened);
			return;
		}
	memset(&offering, 0, sizeof(offering));
	offering.execution_id = execution->execution_id;
	offering.memory = CurrentMemoryContext;
	offering.outer = offerings;
	add_waits(&offering, opened);
	offerings = &offering;
	PG_TRY();
	{
		while (offering.waits != NIL)
		{
			OpenedWait *wait = (OpenedWait *) linitial(offering.waits);

			offering.waits = list_delete_first(offering.waits);
			offer_to(execution, wait);
		}
	}
	PG_FINALLY();
	{
		offerings = offering.outer;
	}
	PG_END_TRY();
}
