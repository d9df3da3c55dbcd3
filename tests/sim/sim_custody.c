/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Simulation of custody: real sessions and homes, everything around them a model, all
 * choices by a seed. Control and data plane are killed, connections break and move, clients
 * acknowledge late or never, rings are tiny. In the end everything is healed, and then:
 * what was ACCEPTED has arrived, in order, what was DELIVERED had been acknowledged, every
 * SEND has been answered, the mailboxes are empty, and every buffer and credit is back.
 *
 *   sim_custody [--seed N] [--runs N] [--messages N] [--verbose]
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "custody/world.h"

struct world *world;
struct coverage coverage;

void fail(const char *what, ...)
{
    va_list args;
    va_start(args, what);
    fprintf(stderr, "seed %" PRIu64 " at %.6f s: ", world->seed, (double)world->now_us / 1e6);
    vfprintf(stderr, what, args);
    fprintf(stderr, "\nreplay: sim_custody --seed %" PRIu64 " --runs 1 --verbose\n", world->seed);
    va_end(args);
    exit(1);
}

void trace(const char *what, ...)
{
    if (!world->options.verbose)
        return;
    va_list args;
    va_start(args, what);
    printf("%10.6f ", (double)world->now_us / 1e6);
    vprintf(what, args);
    printf("\n");
    va_end(args);
}

void note(uint64_t value)
{
    world->hash = (world->hash ^ value ^ world->now_us) * 0x100000001B3ull;
    world->events++;
}

uint64_t below(uint64_t bound)
{
    return rng_below(&world->rng, bound);
}

bool chance(uint32_t ppm)
{
    return rng_chance(&world->rng, ppm);
}

uint64_t now_ms(void)
{
    return 1700000000000ull + world->now_us / 1000;
}

static void step(void)
{
    struct options *options = &world->options;
    world->now_us += below(60);
    if (chance(options->jump_ppm))
        world->now_us += below(chance(10000) ? 20000000 : 400000);
    if (world->plane_restart_us != 0) {
        if (world->now_us >= world->plane_restart_us) {
            trace("the data plane is back");
            plane_start();
        } else if (chance(100000)) {
            world->now_us += 10000;
        }
    }
    worker_turn((uint32_t)below(options->workers));
    if (chance(600000))
        client_tick((uint32_t)below(options->clients));
    if (chance(500000))
        control_tick();
    if (!options->faults)
        return;
    if (world->control.up && world->plane_restart_us == 0 && chance(options->kill_control_ppm))
        control_kill();
    if (world->plane_restart_us == 0 && chance(options->kill_plane_ppm)) {
        plane_kill();
        world->plane_restart_us = world->now_us + 1000 + below(2000000);
    }
}

static bool all_settled(void)
{
    if (!world->control.up || world->plane_restart_us != 0)
        return false;
    for (uint32_t i = 0; i < world->options.clients; i++) {
        if (world->client[i].state != CLIENT_IN || world->client[i].outbox_count != 0 ||
            world->client[i].seq_acked != world->client[i].seq || world->client[i].unread_count != 0)
            return false;
    }
    for (uint32_t i = 0; i < world->options.workers; i++) {
        struct home_counts counts = home_counts(world->worker[i].home);
        if (counts.entries != 0 || counts.stores != 0)
            return false;
    }
    return true;
}

/* Run without faults until nothing is under way any more. */
static void settle(const char *when)
{
    for (uint32_t i = 0; i < 3000000; i++) {
        step();
        if (i % 64 == 0 && all_settled()) {
            for (uint32_t more = 0; more < 4000; more++)
                step();
            if (all_settled())
                return;
        }
    }
    for (uint32_t i = 0; i < world->options.clients; i++) {
        const struct client *client = &world->client[i];
        fprintf(stderr, "client %u: state %u outbox %u seq %u acked %u\n", i, client->state,
                client->outbox_count, client->seq, client->seq_acked);
    }
    for (uint32_t i = 0; i < world->options.workers; i++) {
        struct home_counts counts = home_counts(world->worker[i].home);
        fprintf(stderr, "worker %u: entries %u stores %u reserved %u\n", i, counts.entries, counts.stores,
                counts.reserved);
    }
    fprintf(stderr, "mailboxes: %u items\n", control_waiting());
    fail("nothing moves any more (%s)", when);
}

static void heal(void)
{
    world->options.faults = false;
    world->options.sending = false;
    for (uint32_t i = 0; i < world->options.clients; i++) {
        world->client[i].ack_delay_us = below(100000);
        if (world->client[i].ack_due_us != 0)
            world->client[i].ack_due_us = world->now_us;
    }
    settle("after the faults");
    /* Everyone leaves and comes again: what a lost record left in a mailbox is cleared away. */
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < world->options.clients; i++) {
            world->client[i].send_only = false;
            client_leave(&world->client[i], below(10000));
        }
        for (uint32_t i = 0; i < 20000; i++)
            step();
        world->now_us += 3500000; /* the relay notices that they have gone */
        settle("after all came again");
    }
    world->now_us += 120000000;
    for (uint32_t i = 0; i < 4000; i++)
        step();
    settle("at the end");
}

static void cover(void)
{
    printf("told: %" PRIu64 " ACCEPTED, %" PRIu64 " DELIVERED, %" PRIu64 " REJECTED; resent %" PRIu64
           ", READ %" PRIu64 ", groups %" PRIu64 ", dropped as seen %" PRIu64 ", stores %" PRIu64
           ", drained %" PRIu64 ", kills %" PRIu64 "+%" PRIu64 ", breaks %" PRIu64 ", resumed %" PRIu64
           ", overdrawn by %" PRIu64 " at most\n",
           coverage.told[1], coverage.told[2], coverage.told[4], coverage.resent, coverage.reads,
           coverage.groups, coverage.dropped_again, coverage.stores, coverage.drained, coverage.control_kills,
           coverage.plane_kills, coverage.breaks, coverage.resumed, coverage.overdrawn);
    for (uint32_t i = 0; i < 16; i++) {
        if (coverage.reasons[i] != 0)
            printf("  reason %u: %" PRIu64 "\n", i, coverage.reasons[i]);
    }
    for (uint32_t i = 0; i < 32; i++) {
        if (coverage.deliver_flags[i] != 0)
            printf("  deliver flags %02x: %" PRIu64 "\n", i, coverage.deliver_flags[i]);
    }
    for (uint32_t i = 0; i < WAX_STATUS_COUNT; i++) {
        if (coverage.status[i] != 0)
            printf("  %s: %" PRIu64 "\n", wax_status_name((enum wax_status)i), coverage.status[i]);
    }
}

static void leave(void)
{
    world->options.nobody = true;
    for (uint32_t i = 0; i < world->options.clients; i++)
        client_leave(&world->client[i], 0);
    for (uint32_t i = 0; i < 10; i++) {
        world->now_us += 1000000;
        for (uint32_t turns = 0; turns < 500; turns++)
            step();
    }
    plane_check_left();
}

static void world_free(void)
{
    coverage.control_kills += world->control_kills;
    coverage.plane_kills += world->plane_kills;
    coverage.breaks += world->breaks;
    if (world->plane_restart_us == 0)
        plane_kill();
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct mailbox *mailbox = &world->control.mailbox[i];
        for (uint32_t at = 0; mailbox->items != NULL && at < mailbox->count; at++)
            free(mailbox->items[at].payload);
        free(mailbox->items);
    }
    free(world);
}

static uint64_t run(uint64_t seed, uint32_t messages, bool verbose)
{
    static const uint32_t kills[] = {0, 0, 10, 50, 300};
    static const uint32_t sends[] = {1000, 5000, 20000, 200000};
    static const uint64_t stays[] = {300000, 2000000, 20000000};
    world = calloc(1, sizeof *world);
    world->seed = seed;
    rng_init(&world->rng, seed);
    world->options = (struct options){
        .verbose = verbose,
        .faults = true,
        .sending = true,
        .workers = 1 + (uint32_t)below(WORKERS),
        .clients = 2 + (uint32_t)below(CLIENTS - 2),
        .home_messages = 100 + (uint32_t)below(300),
        .window = 4 + (uint32_t)below(30),
        .messages = messages,
        .kill_control_ppm = kills[below(5)],
        .kill_plane_ppm = kills[below(5)] / 5,
        .break_ppm = 1000 + (uint32_t)below(100000),
        .send_ppm = sends[below(4)],
        .stay_us = stays[below(3)],
        .group_ppm = chance(300000) ? 0 : (uint32_t)below(300000),
        .disk_full_ppm = chance(300000) ? 300 : 0,
        .stall_ppm = chance(500000) ? 0 : (uint32_t)below(5000),
        .jump_ppm = 300 + (uint32_t)below(3000),
        .refuse_ppm = chance(300000) ? 20000 : 0,
        .commit_ppm = 100000 + (uint32_t)below(850000),
        .drop_frame_ppm = chance(300000) ? 500 : 0,
    };
    rates_draw();
    uint64_t key[2] = {rng_next(&world->rng), rng_next(&world->rng)};
    world->tokens = (struct token_set){.life_ms = 3600000, .key_count = 1, .key[0] = {.id = 1, .key = {7}}};
    CHECK(route_init(&world->route, key, world->options.workers) == WAX_OK, "route");
    for (uint32_t i = 0; i < CLIENTS; i++)
        client_start(i);
    control_start();
    world->plane_epoch = world->control.epochs_given = 1;
    plane_start();
    for (uint32_t i = 0; i < 400000 && world->message_count + GROUP < messages; i++)
        step();
    for (uint32_t i = 0; i < 20000; i++)
        step();
    heal();
    clients_check();
    control_check_empty();
    plane_check_empty();
    leave();
    uint64_t hash = world->hash;
    printf("seed %" PRIu64 ": %u workers, %u clients, %u messages, %" PRIu64 " events, kills %" PRIu64
           "+%" PRIu64 ", breaks %" PRIu64 ", %.1f s, hash %016" PRIx64 "\n",
           seed, world->options.workers, world->options.clients, world->message_count, world->events,
           world->control_kills, world->plane_kills, world->breaks, (double)world->now_us / 1e6, hash);
    world_free();
    return hash;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, runs = 10;
    uint32_t messages = 1500;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            runs = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--messages") == 0 && i + 1 < argc)
            messages = (uint32_t)strtoul(argv[++i], NULL, 0);
        else
            return fprintf(stderr, "usage: sim_custody [--seed N] [--runs N] [--messages N] [--verbose]\n"),
                   2;
    }
    if (messages > MESSAGES)
        messages = MESSAGES;
    for (uint64_t i = 0; i < runs; i++) {
        uint64_t hash = run(seed + i, messages, verbose);
        if (i == 0 && run(seed, messages, false) != hash)
            return fprintf(stderr, "seed %" PRIu64 ": two runs of one seed differ\n", seed), 1;
    }
    cover();
    return 0;
}
