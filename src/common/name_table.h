/*
 * common/name_table.h
 *		A set of names that grows while a document is read.
 *
 * Names get the numbers 0, 1, 2 ... as they are added.  A table of zeroes is
 * empty; names are not copied.
 */
#ifndef NOETL_COMMON_NAME_TABLE_H
#define NOETL_COMMON_NAME_TABLE_H

typedef struct NameEntry
{
	const char *name;
	int			length;
	uint32		hash;
} NameEntry;

typedef struct NameTable
{
	int			count;
	int			size;
	NameEntry  *entries;
	int			nslots;			/* power of two, or 0 */
	int		   *slots;			/* index into entries, or -1 */
} NameTable;

extern int	name_table_find(const NameTable *table, const char *name,
							int length);
extern int	name_table_add(NameTable *table, const char *name, int length);
extern void name_table_free(NameTable *table);

#endif							/* NOETL_COMMON_NAME_TABLE_H */
