/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may write to a recipient that has a session. */
#include "toy.h"

#include "relay/home_internal.h"

TestSuite(policy, .init = toy_start);

static uint64_t attach(uint8_t user)
{
    struct item item = {.kind = ITEM_ATTACH};
    item.u.attach.conn = 100u + user;
    item.u.attach.conn_generation = 1;
    item.u.attach.name = toy_name(user);
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
    const struct channel_session_open *open = toy_record(CHANNEL_SESSION_OPEN);
    cr_assert_eq(open->conn, 100u + user);
    cr_assert_eq(open->conn_generation, 1);
    return open->generation;
}

/* The drain that home has asked for comes to its end. */
static void drained(uint8_t user)
{
    const struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    cr_assert_not_null(drain);
    struct channel_drain_idle idle = {.record = {sizeof idle, CHANNEL_DRAIN_IDLE, 0},
                                      .generation = drain->generation};
    struct name name = toy_name(user);
    idle.name = name_to_channel(&name);
    cr_assert_eq(home_control(toy.home, &idle.record, toy.now_us), WAX_OK);
    toy_poll();
}

/* Users are numbered: those of a policy are every `step`-th from `first` on. */
static void user_bytes(uint8_t user[WAX_USER_BYTES], uint32_t number)
{
    memset(user, 0, WAX_USER_BYTES);
    user[0] = (uint8_t)number;
    store_be32(user + 4, number >> 8);
}

static enum wax_status police(uint8_t user, uint64_t generation, uint64_t tag, uint8_t only,
                              const uint32_t *numbers, uint32_t count)
{
    static _Alignas(8) uint8_t memory[sizeof(struct channel_policy) + WAX_POLICY_USERS_MAX * WAX_USER_BYTES];
    struct channel_policy *policy = (struct channel_policy *)(void *)memory;
    struct name name = toy_name(user);
    *policy = (struct channel_policy){.tag = tag, .generation = generation, .count = count, .only = only};
    policy->record.bytes = (uint32_t)(sizeof *policy + count * WAX_USER_BYTES);
    policy->record.kind = CHANNEL_POLICY;
    policy->name = name_to_channel(&name);
    for (uint32_t i = 0; i < count; i++)
        user_bytes(policy->user[i], numbers[i]);
    return home_control(toy.home, &policy->record, toy.now_us);
}

static void send_from(uint32_t number, uint8_t to, uint64_t id, uint8_t flags)
{
    struct msg *msg = msg_make(&toy.messages, view_of("payload", 7));
    msg->id = id;
    msg->ttl_s = 60;
    msg->conn = 1;
    msg->conn_generation = 1;
    user_bytes(msg->from.user, number);
    msg->from.device = 1;
    msg->to = toy_name(to);
    msg->send_flags = flags;
    struct item item = {.kind = ITEM_SEND, .u.send.msg = msg};
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
}

/* Whether a message of that user is delivered; else it must be REJECTED 3. */
static bool taken(uint32_t number, uint8_t to)
{
    static uint64_t id = 1;
    toy_clear();
    send_from(number, to, ++id, 0);
    if (toy_next_of(&toy.sends, ITEM_DELIVER) != NULL)
        return true;
    struct item *answer = toy_next_of(&toy.gives, ITEM_ANSWER);
    cr_assert_not_null(answer);
    cr_assert_eq(answer->u.answer.status_kind, WIRE_REJECTED);
    cr_assert_eq(answer->u.answer.reason, WIRE_REASON_BLOCKED);
    msg_free(&toy.messages, answer->u.answer.msg);
    return false;
}

static void told(uint64_t tag)
{
    toy_poll();
    const struct channel_policed *policed = toy_record(CHANNEL_POLICED);
    cr_assert_not_null(policed);
    cr_assert_eq(policed->tag, tag);
}

Test(policy, who_is_blocked_is_rejected_and_control_is_told_when_that_holds)
{
    uint64_t generation = attach(1);
    uint32_t blocked[] = {3, 5, 9};
    drained(1);
    cr_assert(taken(5, 1));
    toy_clear();
    cr_assert_eq(police(1, generation, 42, 0, blocked, 3), WAX_OK);
    told(42);
    cr_assert_not(taken(3, 1));
    cr_assert_not(taken(5, 1));
    cr_assert_not(taken(9, 1));
    cr_assert(taken(4, 1));
    cr_assert_eq(toy.metrics.status[WAX_REJECT_BLOCKED], 3);
}

Test(policy, own_devices_are_always_allowed)
{
    uint64_t generation = attach(7);
    uint32_t blocked[] = {7, 8};
    drained(7);
    police(7, generation, 0, 0, blocked, 2);
    cr_assert(taken(7, 7));
    cr_assert_not(taken(8, 7));
    police(7, generation, 0, 1, NULL, 0);
    cr_assert(taken(7, 7), "nobody but oneself");
    cr_assert_not(taken(9, 7));
}

Test(policy, only_those_allowed_and_everyone_again)
{
    uint64_t generation = attach(1);
    uint32_t allowed[] = {3};
    drained(1);
    police(1, generation, 0, 1, allowed, 1);
    cr_assert(taken(3, 1));
    cr_assert_not(taken(4, 1));
    police(1, generation, 0, 0, NULL, 0);
    cr_assert(taken(4, 1));
}

Test(policy, the_longest_list_is_obeyed_exactly)
{
    uint32_t numbers[WAX_POLICY_USERS_MAX], sorted[WAX_POLICY_USERS_MAX];
    uint64_t generation = attach(1);
    drained(1);
    /* as bytes, users of four numbers in each of 256 first bytes rise in this order */
    for (uint32_t i = 0; i < WAX_POLICY_USERS_MAX; i++)
        numbers[i] = sorted[i] = i / 4 + i % 4 * 512u;
    cr_assert_eq(police(1, generation, 0, 0, sorted, WAX_POLICY_USERS_MAX), WAX_OK);
    for (uint32_t i = 0; i < WAX_POLICY_USERS_MAX; i += 7)
        cr_assert_not(taken(numbers[i], 1), "user %u", numbers[i]);
    uint8_t user[WAX_USER_BYTES];
    struct name name = toy_name(1);
    for (uint32_t i = 0; i < WAX_POLICY_USERS_MAX; i++) {
        user_bytes(user, numbers[i]);
        bool own = memcmp(user, name.user, sizeof user) == 0;
        cr_assert_eq(policy_refuses(toy.home, recipient_find(toy.home, &name), user), !own);
        user_bytes(user, numbers[i] + 256); /* between two of the list */
        cr_assert_not(policy_refuses(toy.home, recipient_find(toy.home, &name), user));
    }
    cr_assert_eq(police(1, generation, 0, 0, sorted, 0), WAX_OK);
    cr_assert_eq(toy.home->policies.free_count, toy.home->policies.count, "memory comes back");
}

Test(policy, ephemeral_is_rejected_and_silent_dropped)
{
    uint64_t generation = attach(1);
    uint32_t blocked[] = {3};
    drained(1);
    police(1, generation, 0, 0, blocked, 1);
    toy_clear();
    send_from(3, 1, 5, WIRE_SEND_EPHEMERAL);
    struct item *answer = toy_next_of(&toy.gives, ITEM_ANSWER);
    cr_assert_eq(answer->u.answer.reason, WIRE_REASON_BLOCKED);
    msg_free(&toy.messages, answer->u.answer.msg);
    toy_clear();
    send_from(3, 1, 6, WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER));
    struct item *back = toy_next_of(&toy.gives, ITEM_FREE);
    cr_assert_not_null(back, "only its memory goes back");
    msg_free(&toy.messages, back->u.send.msg);
    cr_assert_eq(toy.metrics.status[WAX_SILENT_DROPPED], 1);
}

Test(policy, it_is_of_one_session_and_goes_with_it)
{
    uint64_t generation = attach(1);
    uint32_t blocked[] = {3};
    drained(1);
    police(1, generation, 0, 0, blocked, 1);
    toy_clear();
    uint64_t next = attach(1); /* displaces it */
    cr_assert_neq(next, generation);
    drained(1);
    cr_assert(taken(3, 1));
    toy_clear();
    cr_assert_eq(police(1, generation, 8, 0, blocked, 1), WAX_OK);
    told(8); /* nothing is taken for the session that has gone, either */
    cr_assert(taken(3, 1));
    cr_assert_eq(toy.home->policies.free_count, toy.home->policies.count);
}

Test(policy, without_memory_for_it_everything_goes_to_the_mailbox_where_control_judges)
{
    uint32_t blocked[] = {3};
    uint64_t generation = attach(1);
    drained(1);
    struct policy_part *taken_away = NULL;
    for (void *part; (part = pool_take(&toy.home->policies)) != NULL;)
        taken_away = part;
    cr_assert_not_null(taken_away);
    toy_clear();
    cr_assert_eq(police(1, generation, 4, 0, blocked, 1), WAX_OK);
    told(4);
    cr_assert_eq(toy.metrics.status[WAX_NO_MEMORY], 1);
    drained(1); /* at its end it would go online, were it not for the policy */
    toy_clear();
    send_from(4, 1, 50, 0);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER));
    cr_assert_not_null(toy_record(CHANNEL_STORE));
    cr_assert_eq(police(1, generation, 0, 0, NULL, 0), WAX_OK);
    send_from(4, 1, 51, 0);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER), "behind what is being stored");
}

Test(policy, a_record_of_a_wrong_length_is_corrupt)
{
    struct channel_policy policy = {.record = {sizeof policy, CHANNEL_POLICY, 0}, .count = 1};
    cr_assert_eq(home_control(toy.home, &policy.record, toy.now_us), WAX_CHANNEL_CORRUPT);
    policy.count = WAX_POLICY_USERS_MAX + 1;
    cr_assert_eq(home_control(toy.home, &policy.record, toy.now_us), WAX_CHANNEL_CORRUPT);
}
