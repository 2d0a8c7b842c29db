/*
 * common/name_table.c
 *		A set of names that grows while a document is read.
 *
 * A dynahash table takes a memory context and kilobytes for every mapping; most
 * mappings have a handful of keys, for which comparing is fastest.
 */
#include "common/common.h"

#include "common/hashfn.h"

#include "common/name_table.h"

/* Returns the number of a name, or -1. */
int
name_table_find(const NameTable *table, const char *name, int length)
{
	uint32		hash;

	if (table->nslots == 0)
	{
		for (int i = 0; i < table->count; i++)
		{
			if (table->entries[i].length == length &&
				memcmp(table->entries[i].name, name, length) == 0)
				return i;
		}
		return -1;
	}
	hash = hash_bytes((const unsigned char *) name, length);
	for (int slot = hash & (table->nslots - 1); table->slots[slot] >= 0;
		 slot = (slot + 1) & (table->nslots - 1))
	{
		const NameEntry *entry = &table->entries[table->slots[slot]];

		if (entry->hash == hash && entry->length == length &&
			memcmp(entry->name, name, length) == 0)
			return table->slots[slot];
	}
	return -1;
}

/* Enters a name into the slots, which must have room. */
static void
name_table_place(NameTable *table, int number)
{
	int			slot = table->entries[number].hash & (table->nslots - 1);

	while (table->slots[slot] >= 0)
		slot = (slot + 1) & (table->nslots - 1);
	table->slots[slot] = number;
}

/* Adds a name that is not in the table yet; returns its number. */
int
name_table_add(NameTable *table, const char *name, int length)
{
	NameEntry  *entry;

	if (table->count == table->size)
	{
		table->size = Max(table->size * 2, 8);
		if (table->entries == NULL)
			table->entries = palloc(table->size * sizeof(NameEntry));
		else
			table->entries = repalloc(table->entries,
									  table->size * sizeof(NameEntry));
	}
	entry = &table->entries[table->count++];
	entry->name = name;
	entry->length = length;
	entry->hash = hash_bytes((const unsigned char *) name, length);

	if (table->count <= 8)
		return table->count - 1;
	if (table->count * 2 > table->nslots)
	{
		if (table->slots != NULL)
			pfree(table->slots);
		table->nslots = Max(table->nslots * 2, 32);
		table->slots = palloc(table->nslots * sizeof(int));
		memset(table->slots, -1, table->nslots * sizeof(int));
		for (int i = 0; i < table->count; i++)
			name_table_place(table, i);
	}
	else
		name_table_place(table, table->count - 1);
	return table->count - 1;
}

/* Frees the memory of a table; a document may have a million tables. */
void
name_table_free(NameTable *table)
{
	if (table->entries != NULL)
		pfree(table->entries);
	if (table->slots != NULL)
		pfree(table->slots);
}
