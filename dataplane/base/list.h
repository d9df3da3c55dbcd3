/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An intrusive, doubly linked, circular list: a `struct link` inside each object, and one as the list's head.
 * A link that is on no list points to itself, after link_init or list_remove.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *prev;
};

/* The object of `type` whose member `member` is at `ptr`. */
#define list_entry(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Walks the links from first to last; the current one may be removed in the body. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `at` is declared here */
#define list_for_each(at, head)                                                                              \
    for (struct link *at = (head)->next, *at##_next = at->next; at != (head);                                \
         at = at##_next, at##_next = at->next)
/* NOLINTEND(bugprone-macro-parentheses) */

/*
 * Makes an empty list, or a link on no list.
 */
static inline void link_init(struct link *link)
{
    link->next = link->prev = link;
}

/*
 * True for an empty list, and for a link on no list.
 */
static inline bool list_empty(const struct link *head)
{
    return head->next == head;
}

/*
 * Puts `link`, which is on no list, before `at`: given the head, at the end.
 */
static inline void list_append(struct link *at, struct link *link)
{
    link->prev = at->prev;
    link->next = at;
    at->prev->next = link;
    at->prev = link;
}

/*
 * Puts `link`, which is on no list, behind `at`: given the head, at the beginning.
 */
static inline void list_prepend(struct link *at, struct link *link)
{
    list_append(at->next, link);
}

/*
 * Takes `link` off its list; harmless when it is on none (but it must have been initialised).
 */
static inline void list_remove(struct link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link_init(link);
}

/*
 * The first link of a list, NULL when it is empty.
 */
static inline struct link *list_first(const struct link *head)
{
    return head->next == head ? NULL : head->next;
}

#endif
