/*
 * store/limit_room.c
 *		Whether a limit and a key have room, as shared memory knows it.
 *		store/limit_room.h says why that is right.
 */
#include "common/common.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/spin.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/limit_room.h"

/* A place belongs to a group of places by its tag; the group has one spinlock. */
#define GROUPS			32
#define GROUP_PLACES	8

/* What is known of a limit and a key. */
typedef struct RoomPlace
{
	LimitTag	tag;			/* name 0: the place is free */
	TimestampTz until;			/* how long the count of rows is good */
	TimestampTz full_at;		/* of the rate: when a whole burst may begin again */
	int64		interval;		/* by which it was moved on last */
	TimestampTz changed;		/* 0, or since when another rate counts, if none has begun */
	uint32		epoch;
	uint32		used;			/* when, by the group's clock */
	int32		held;
	uint16		writing;		/* slots that are taken, and whose rows are being written */
	bool		open;
} RoomPlace;

typedef struct RoomGroup
{
	slock_t		mutex;			/* held while numbers are compared or set */
	uint32		clock;
	uint32		epoch;			/* the last one that was given to a place */
	uint32		asked;			/* how often something began to wait */
	uint32		asking;			/* sessions that are writing such rows */
	RoomPlace	places[GROUP_PLACES];
} RoomGroup;

typedef struct Rooms
{
	TimestampTz began;			/* rates are counted from then on */
	RoomGroup	groups[GROUPS];
} Rooms;

/* What this transaction has done to the slots of a limit and a key. */
typedef struct RoomNote
{
	LimitTag	tag;
	int			all_taken;
	int			all_given;
	uint32		epoch;			/* 0: none; the rest is of this epoch: */
	int			taken;
	int			given;
	int			raised;			/* by how much it has raised the number */
	int			writing;		/* 0, or the level of transactions at which it is writing */
	TimestampTz changed;		/* 0, or when this transaction changed the rate … */
	TimestampTz full_at;		/* … of a place that said this */
	int			taken_before;
} RoomNote;

static Rooms *rooms = NULL;
static TimestampTz began = 0;	/* of a new area */

static RoomNote *notes = NULL;
static int	nnotes = 0;
static int	capacity = 0;
static bool undone = false;		/* a part of the transaction was rolled back */
static RoomGroup *asking_in = NULL; /* this session is writing that something waits … */
static int	asking_level = 0;	/* … at this level of transactions */

/* ---------------------------------------------------------------------------
 * Shared memory
 * ---------------------------------------------------------------------------
 */

/*
 * Returns a time at which this server had not begun to hand out slots: the WAL writer has been
 * started then, which a server does when it takes writes: after a crash, or a promotion.  There
 * may be none yet; nothing has been handed out by a new area.
 */
static TimestampTz
server_began(void)
{
	TimestampTz first = GetCurrentTimestamp();
	int			n = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= n; i++)
	{
#if PG_VERSION_NUM >= 160000
		LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(i);
#else
		LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(i);
#endif

		if (local != NULL && local->backendStatus.st_backendType == B_WAL_WRITER &&
			local->backendStatus.st_proc_start_timestamp > 0)
			first = Min(first, local->backendStatus.st_proc_start_timestamp);
	}
	pgstat_clear_backend_activity_snapshot();
	return first;
}

/* Initializes a new area. */
static void
initialize_rooms(void *area)
{
	for (int i = 0; i < GROUPS; i++)
		SpinLockInit(&((Rooms *) area)->groups[i].mutex);
	((Rooms *) area)->began = began;
}

static void transaction_ended(XactEvent event, void *arg);
static void subtransaction_ended(SubXactEvent event, SubTransactionId id,
								 SubTransactionId parent, void *arg);

/* Finds or makes the area, once per backend; false when no room is left. */
static bool
attach(void)
{
	static bool tried = false;

	if (!tried && !RecoveryInProgress())
	{
		tried = true;
		began = server_began();
		rooms = shared_area_attach("noetl limits", sizeof(Rooms), initialize_rooms);
		if (rooms != NULL)
		{
			RegisterXactCallback(transaction_ended, NULL);
			RegisterSubXactCallback(subtransaction_ended, NULL);
		}
	}
	return rooms != NULL;
}

/* Returns the tag of a limit and a key (store/limit_room.h). */
LimitTag
limit_tag(const char *name, const char *key)
{
	LimitTag	tag;

	tag.name = hash_bytes_extended((const unsigned char *) name, strlen(name), MyDatabaseId);
	tag.key = hash_bytes_extended((const unsigned char *) key, strlen(key), tag.name);
	if (tag.name == 0)
		tag.name = 1;
	return tag;
}

/* Are two tags the same? */
static inline bool
is_same(const LimitTag *a, const LimitTag *b)
{
	return a->key == b->key && a->name == b->name;
}

/* Locks the group of a tag. */
static RoomGroup *
lock_group(const LimitTag *tag)
{
	RoomGroup  *group = &rooms->groups[tag->key % GROUPS];

	SpinLockAcquire(&group->mutex);
	return group;
}

/* Returns the place of a tag in a group that is locked, or NULL. */
static RoomPlace *
find_place(RoomGroup *group, const LimitTag *tag)
{
	for (int i = 0; i < GROUP_PLACES; i++)
		if (is_same(&group->places[i].tag, tag))
			return &group->places[i];
	return NULL;
}

/* The same; makes a place, if need be instead of that which was not used for longest. */
static RoomPlace *
make_place(RoomGroup *group, const LimitTag *tag, TimestampTz now)
{
	RoomPlace  *place = find_place(group, tag);

	if (place != NULL)
		return place;
	for (int i = 0; i < GROUP_PLACES; i++)
	{
		RoomPlace  *other = &group->places[i];

		if (other->writing == 0 && other->full_at <= now &&
			(place == NULL || (int32) (other->used - place->used) < 0))
			place = other;
	}
	if (place == NULL)
		return NULL;
	memset(place, 0, sizeof(RoomPlace));
	place->tag = *tag;
	return place;
}

/* ---------------------------------------------------------------------------
 * Notes of this transaction
 * ---------------------------------------------------------------------------
 */

/* Returns the note of a tag, making it if need be. */
static RoomNote *
note_of(const LimitTag *tag)
{
	for (int i = nnotes - 1; i >= 0; i--)
		if (is_same(&notes[i].tag, tag))
			return &notes[i];
	if (nnotes == capacity)
	{
		int			most = capacity == 0 ? 8 : 2 * capacity;

		notes = capacity == 0 ?
			MemoryContextAlloc(TopMemoryContext, most * sizeof(RoomNote)) :
			repalloc(notes, most * sizeof(RoomNote));
		capacity = most;
	}
	memset(&notes[nnotes], 0, sizeof(RoomNote));
	notes[nnotes].tag = *tag;
	return &notes[nnotes++];
}

/* A note is about the present epoch of a place. */
static void
bring_up(RoomNote *note, const RoomPlace *place)
{
	if (note->epoch == place->epoch)
		return;
	note->epoch = place->epoch;
	note->taken = note->given = note->raised = 0;
}

/*
 * Ends what a note has begun; of what is being written, what was begun at this level of
 * transactions, or below it.  Unless it commits, what had used up the rate before the
 * transaction changed it counts again, and what has begun since.
 */
static void
end_note(RoomNote *note, int change, bool commits, int level)
{
	RoomGroup  *group = lock_group(&note->tag);
	RoomPlace  *place = find_place(group, &note->tag);
	bool		written = note->writing >= level;

	if (place != NULL && written)
		place->writing--;
	if (place != NULL && note->epoch != 0 && note->epoch == place->epoch)
		place->held += change;
	if (place != NULL && note->changed != 0 && !commits && place->changed == 0)
	{
		place->full_at = note->full_at +
			(note->all_taken - note->taken_before) * USECS_PER_SEC;
		place->interval = USECS_PER_SEC;
		place->changed = note->changed;
	}
	SpinLockRelease(&group->mutex);
	if (written)
		note->writing = 0;
	note->epoch = 0;
}

/* Transaction callback, after others can see what has become of the rows. */
static void
transaction_ended(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	limit_room_end_asking();
	for (int i = 0; i < nnotes; i++)
		end_note(&notes[i], event == XACT_EVENT_PREPARE ? 0 :
				 event == XACT_EVENT_ABORT ? -notes[i].raised :
				 notes[i].taken - notes[i].given - notes[i].raised,
				 event == XACT_EVENT_COMMIT, 1);
	nnotes = 0;
	undone = false;
}

/*
 * Subtransaction callback: it is not known what was rolled back, so nothing is lowered.  A row
 * that is being written around it, whose trigger or constraint has begun it, goes on.
 */
static void
subtransaction_ended(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (asking_level >= level)
		limit_room_end_asking();
	for (int i = 0; i < nnotes; i++)
		end_note(&notes[i], 0, false, level);
	undone = undone || nnotes > 0;
}

/* ---------------------------------------------------------------------------
 * Slots
 * ---------------------------------------------------------------------------
 */

/* Is a rate counted in shared memory (store/limit_room.h)? */
bool
limit_room_counts(const LimitTerms *terms)
{
	return terms->rate > 0 && terms->per / terms->rate <= USECS_PER_SEC;
}

/*
 * Returns when a whole burst may begin again by a place alone.  If another rate counted until
 * now, as many of the burst are used up as of the burst before it, or all of it.
 */
static TimestampTz
place_full_at(const RoomPlace *place, const LimitTerms *terms)
{
	double		used;

	if (place->changed == 0)
		return place->full_at;
	used = (double) (place->full_at - place->changed) / USECS_PER_SEC;
	return place->changed + (int64) (Min(used, terms->burst) * (terms->per / terms->rate));
}

/* Returns when a whole burst may begin again. */
static TimestampTz
rate_full_at(const RoomPlace *place, const LimitTerms *terms)
{
	return Max(place_full_at(place, terms),
			   rooms->began + terms->burst * (terms->per / terms->rate));
}

/* Has a place room for those that are held and "more"? */
static bool
has_room(const RoomPlace *place, int more, const LimitTerms *terms, TimestampTz now)
{
	if (!place->open || now >= place->until || place->until - now > ROOM_US)
		return false;
	if (terms->concurrency >= 0 && place->held + more > terms->concurrency)
		return false;
	return terms->rate <= 0 ||
		rate_full_at(place, terms) - (terms->burst - 1) * (terms->per / terms->rate) <= now;
}

/* How many slots has this transaction given up, and not taken again? */
static int
spare_slots(const RoomNote *note, const RoomPlace *place)
{
	return note->epoch == place->epoch ? Max(note->given - note->taken, 0) : 0;
}

/* Uses up what the rate gives to one that begins. */
static void
use_rate(RoomPlace *place, const LimitTerms *terms, TimestampTz now)
{
	if (terms->rate <= 0)
		return;
	place->interval = terms->per / terms->rate;
	place->full_at = Max(rate_full_at(place, terms), now) + place->interval;
	place->changed = 0;
}

/* Keeps a slot (store/limit_room.h). */
bool
limit_room_keep(const LimitTag *tag, const LimitTerms *terms, TimestampTz now)
{
	RoomGroup  *group;
	RoomPlace  *place;
	bool		room;

	if (!attach() || (terms->rate > 0 && !limit_room_counts(terms)))
		return false;
	group = lock_group(tag);
	place = find_place(group, tag);
	room = place != NULL && has_room(place, 0, terms, now);
	if (room)
	{
		use_rate(place, terms, now);
		place->used = ++group->clock;
	}
	SpinLockRelease(&group->mutex);
	return room;
}

/* Takes a slot if there is room (store/limit_room.h). */
bool
limit_room_take(const LimitTag *tag, const LimitTerms *terms, TimestampTz now)
{
	RoomNote   *note;
	RoomGroup  *group;
	RoomPlace  *place;
	bool		room;

	if (!attach() || (terms->rate > 0 && !limit_room_counts(terms)))
		return false;
	note = note_of(tag);
	group = lock_group(tag);
	place = find_place(group, tag);
	room = place != NULL && note->writing == 0 && place->writing < PG_UINT16_MAX &&
		has_room(place, 1 - spare_slots(note, place), terms, now);
	if (room)
	{
		bring_up(note, place);
		note->all_taken++;
		note->taken++;
		if (note->taken - note->given > note->raised)
		{
			note->raised++;
			place->held++;
		}
		use_rate(place, terms, now);
		place->writing++;
		place->used = ++group->clock;
	}
	SpinLockRelease(&group->mutex);
	if (room)
		note->writing = GetCurrentTransactionNestLevel();
	return room;
}

/* The row of the slot that was taken is written (store/limit_room.h). */
void
limit_room_written(const LimitTag *tag)
{
	RoomNote   *note = note_of(tag);
	RoomGroup  *group = lock_group(tag);
	RoomPlace  *place = find_place(group, tag);

	if (place != NULL && note->writing > 0)
		place->writing--;
	SpinLockRelease(&group->mutex);
	note->writing = 0;
}

/* Notes a slot that is taken under the lock, or given up (store/limit_room.h). */
void
limit_room_note(const LimitTag *tag, bool given)
{
	RoomNote   *note;
	RoomGroup  *group;
	RoomPlace  *place;

	if (!attach())
		return;
	note = note_of(tag);
	if (!given)
	{
		note->all_taken++;
		return;
	}
	note->all_given++;
	group = lock_group(tag);
	place = find_place(group, tag);
	if (place != NULL)
		bring_up(note, place);
	SpinLockRelease(&group->mutex);
	note->given++;
}

/* ---------------------------------------------------------------------------
 * Open and closed
 * ---------------------------------------------------------------------------
 */

/* Is the place open (store/limit_room.h)? */
bool
limit_room_is_open(const LimitTag *tag)
{
	RoomGroup  *group;
	RoomPlace  *place;
	bool		open;

	if (!attach())
		return false;
	group = lock_group(tag);
	place = find_place(group, tag);
	open = place != NULL && place->open;
	SpinLockRelease(&group->mutex);
	return open;
}

/* Closes the place (store/limit_room.h). */
LimitRoomLook
limit_room_close(const LimitTag *tag)
{
	LimitRoomLook look;
	RoomGroup  *group;
	RoomPlace  *place;
	TimestampTz now;

	memset(&look, 0, sizeof(look));
	if (!attach())
		return look;
	now = GetCurrentTimestamp();
	group = lock_group(tag);
	place = make_place(group, tag, now);
	if (place != NULL)
	{
		look.known = true;
		look.asked = group->asked;
		look.asking = group->asking > 0;
		look.writing = place->writing;
		place->open = false;
		place->used = ++group->clock;
	}
	SpinLockRelease(&group->mutex);
	return look;
}

/* Opens the place (store/limit_room.h). */
void
limit_room_open(const LimitTag *tag, const LimitRoomLook *look, int held, TimestampTz now)
{
	RoomNote   *note;
	RoomGroup  *group;
	RoomPlace  *place;
	int			net;

	if (!look->known || look->asking || look->writing > 0 || undone)
		return;
	note = note_of(tag);
	net = note->all_taken - note->all_given;
	group = lock_group(tag);
	place = find_place(group, tag);
	if (place != NULL && place->writing == 0 && group->asking == 0 &&
		group->asked == look->asked)
	{
		group->epoch++;
		if (group->epoch == 0)
			group->epoch++;
		note->epoch = place->epoch = group->epoch;
		note->taken = note->raised = Max(net, 0);
		note->given = Max(-net, 0);
		place->held = held + note->given;
		place->until = now + ROOM_US;
		place->open = true;
	}
	SpinLockRelease(&group->mutex);
}

/* Begins to write that something waits (store/limit_room.h). */
void
limit_room_begin_asking(const LimitTag *tag)
{
	RoomGroup  *group;
	RoomPlace  *place;

	if (!attach())
		return;
	limit_room_end_asking();
	group = lock_group(tag);
	group->asked++;
	group->asking++;
	place = find_place(group, tag);
	if (place != NULL)
		place->open = false;
	SpinLockRelease(&group->mutex);
	asking_in = group;
	asking_level = GetCurrentTransactionNestLevel();
}

/* The rows are written (store/limit_room.h). */
void
limit_room_end_asking(void)
{
	RoomGroup  *group = asking_in;

	if (group == NULL)
		return;
	asking_in = NULL;
	SpinLockAcquire(&group->mutex);
	group->asking--;
	SpinLockRelease(&group->mutex);
}

/* ---------------------------------------------------------------------------
 * Rates
 * ---------------------------------------------------------------------------
 */

/* Reads how far a rate is used up (store/limit_room.h). */
bool
limit_room_read_rate(const LimitTag *tag, const LimitTerms *terms, TimestampTz *full_at)
{
	RoomGroup  *group;
	RoomPlace  *place;
	TimestampTz now;
	bool		counts;

	*full_at = 0;
	if (!attach())
		return false;
	now = GetCurrentTimestamp();
	counts = limit_room_counts(terms);
	group = lock_group(tag);
	place = counts ? make_place(group, tag, now) : find_place(group, tag);
	if (place != NULL && counts)
		*full_at = rate_full_at(place, terms);
	else if (place != NULL && place->changed != 0)
		*full_at = place_full_at(place, terms);
	SpinLockRelease(&group->mutex);
	return place != NULL && counts;
}

/* Writes how far a rate is used up (store/limit_room.h). */
bool
limit_room_write_rate(const LimitTag *tag, const LimitTerms *terms, TimestampTz full_at)
{
	TimestampTz now = GetCurrentTimestamp();
	RoomGroup  *group = lock_group(tag);
	RoomPlace  *place = make_place(group, tag, now);

	if (place != NULL)
	{
		place->full_at = full_at;
		place->interval = terms->per / terms->rate;
		place->changed = 0;
	}
	SpinLockRelease(&group->mutex);
	return place != NULL;
}

/*
 * Another rate counts for a limit and a key from now on, which whoever asks will know.  How
 * many are used up is noted as if each took a second, the most that is counted here: so the
 * place is not forgotten too early.
 */
static void
change_rate(const LimitTag *tag, TimestampTz now)
{
	RoomNote   *note = note_of(tag);
	RoomGroup  *group = lock_group(tag);
	RoomPlace  *place = find_place(group, tag);

	if (place != NULL && place->full_at > now)
	{
		double		used = (double) (place->full_at - now) / Max(place->interval, 1);

		place->full_at = now + (int64) (used * USECS_PER_SEC);
		place->interval = USECS_PER_SEC;
		place->changed = now;
		if (note->changed == 0)
		{
			note->changed = now;
			note->full_at = place->full_at;
			note->taken_before = note->all_taken;
		}
	}
	SpinLockRelease(&group->mutex);
}

/* Another rate counts for a limit from now on (store/limit_room.h). */
void
limit_room_change_rate(const char *name)
{
	LimitTag	tag = limit_tag(name, "");
	TimestampTz now = GetCurrentTimestamp();

	if (!attach())
		return;
	for (int i = 0; i < GROUPS * GROUP_PLACES; i++)
	{
		RoomGroup  *group = &rooms->groups[i / GROUP_PLACES];
		LimitTag	other;

		SpinLockAcquire(&group->mutex);
		other = group->places[i % GROUP_PLACES].tag;
		SpinLockRelease(&group->mutex);
		if (other.name == tag.name)
			change_rate(&other, now);
	}
}
