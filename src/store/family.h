/*
 * store/family.h
 *		How large the families of executions are.
 */
#ifndef NOETL_STORE_FAMILY_H
#define NOETL_STORE_FAMILY_H

/*
 * Notes a child of the sample, which stands for "weight" children, and estimates
 * how many children of the family were started and how many of them run.
 */
extern void store_note_family(int64 root, int64 execution_id, int weight,
							  int64 *started, int64 *live);

/* Forgets the families whose topmost execution is over. */
extern void store_forget_families(void);

#endif							/* NOETL_STORE_FAMILY_H */
