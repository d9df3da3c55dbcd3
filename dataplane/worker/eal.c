/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/eal.h"

#include <linux/mman.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>

enum { ARGS_MAX = 32, ARG_BYTES = 2048 };

_Static_assert(WAX_WORKERS_MAX < RTE_MAX_LCORE, "each worker's thread can be a logical core");

struct args {
    int count;
    char text[ARGS_MAX][ARG_BYTES];
    char *pointers[ARGS_MAX + 1];
};

static void add(struct args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct args *args, const char *format, ...)
{
    va_list list;
    assert(args->count < ARGS_MAX);
    va_start(list, format);
    vsnprintf(args->text[args->count], ARG_BYTES, format, list);
    va_end(list);
    args->pointers[args->count] = args->text[args->count];
    args->count++;
}

/* Whether so many huge pages can be had: only the kernel knows, with limits of all kinds. */
static bool hugepages_there(uint32_t memory_mib)
{
    size_t bytes = (size_t)memory_mib << 20;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), -1, 0);
    if (at == MAP_FAILED)
        return false;
    munmap(at, bytes);
    return true;
}

/* How many the kernel holds, free or not; 0 when it doesn't say. */
static size_t hugepages_held(void)
{
    size_t pages = 0;
    FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%zu", &pages) != 1) /* NOLINT(cert-err34-c): the kernel's number */
        pages = 0;
    fclose(file);
    return pages;
}

/*
 * The same with patience: a data plane that was killed gives its pages back only when its last thread has
 * gone, which may be after its successor was started.
 */
static bool hugepages_wait(uint32_t memory_mib)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    bool there = hugepages_there(memory_mib);
    for (int tries = 0; !there && tries < 150 && hugepages_held() * 2 >= memory_mib; tries++) {
        (void)nanosleep(&pause, NULL);
        there = hugepages_there(memory_mib);
    }
    return there;
}

unsigned eal_lcore(uint32_t thread)
{
    return RTE_MAX_LCORE - 1u - thread;
}

/* "0@(0,1,3),127@3": the main thread may run on any core of ours; each thread of workers has its own. */
static void add_lcores(struct args *args, const struct place *place)
{
    char list[ARG_BYTES - 16];
    size_t at = 0;
    for (size_t core = 0; core < CPU_SETSIZE && at + 8 < sizeof list; core++)
        if (CPU_ISSET(core, &place->all))
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%zu", at == 0 ? "0@(" : ",", core);
    at += (size_t)snprintf(list + at, sizeof list - at, ")");
    for (uint32_t i = 0; i < place->threads && at + 16 < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, ",%u@%u", eal_lcore(i), place->core[i]);
    add(args, "--lcores=%s", list);
}

static void args_make(struct args *args, const struct wax_config *config, const struct place *place,
                      bool hugepages)
{
    bool pci = false;
    memset(args, 0, sizeof *args);
    add(args, "waxwire-dataplane");
    add_lcores(args, place);
    add(args, "--file-prefix=%s", config->dpdk_prefix);
    if (config->capture) {
        /* Files that other processes can map: a capturing one shares all packet memory. */
    } else if (hugepages) {
        add(args, "--in-memory");
    } else {
        add(args, "--no-huge");
        add(args, "-m");
        add(args, "%u", config->memory_mib);
        add(args, "--no-shconf");
    }
    for (uint32_t i = 0; i < config->port_count; i++) {
        if (config->port[i].kind == CONFIG_PORT_PCI) {
            add(args, "-a");
            add(args, "%s", config->port[i].device);
            pci = true;
        }
    }
    if (!pci) {
        add(args, "--no-pci");
        add(args, "--iova-mode=va");
    }
    if (!config->telemetry)
        add(args, "--no-telemetry");
    add(args, "--log-level=%s", config->log_level == CONFIG_LEVEL_DEBUG ? "info" : "warning");
}

/* How urgent the line is that EAL writes at the moment. */
static enum config_level log_level_now(void)
{
    int level = rte_log_cur_msg_loglevel();
    return level <= (int)RTE_LOG_WARNING ? CONFIG_LEVEL_WARN
           : level <= (int)RTE_LOG_INFO  ? CONFIG_LEVEL_INFO
                                         : CONFIG_LEVEL_DEBUG;
}

/* EAL writes whole lines into this stream. */
static ssize_t log_line(void *cookie, const char *text, size_t len)
{
    char line[512];
    size_t n = len < sizeof line - 1 ? len : sizeof line - 1;
    memcpy(line, text, n);
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == ' '))
        n--;
    line[n] = '\0';
    /* memif says so whenever EAL runs without files for secondary processes, as ours always does. */
    if (n > 0 && strstr(line, "mp action callback") == NULL)
        journal_say((struct journal *)cookie, log_level_now(), "dpdk", "log", J_T("text", line));
    return (ssize_t)len;
}

static void log_redirect(struct journal *journal)
{
    cookie_io_functions_t functions = {.write = log_line};
    FILE *stream = fopencookie(journal, "w", functions);
    if (stream == NULL)
        return;
    setvbuf(stream, NULL, _IOLBF, 1024);
    rte_openlog_stream(stream);
}

bool eal_start(const struct wax_config *config, const struct place *place, struct journal *journal,
               bool *hugepages)
{
    /* With capture the files of an earlier run may hold the pages until EAL clears them away. */
    bool there =
        config->capture || (config->hugepages != CONFIG_HUGEPAGES_OFF && hugepages_wait(config->memory_mib));
    *hugepages = there && (config->hugepages == CONFIG_HUGEPAGES_ON || config->capture || geteuid() == 0);
    if (config->hugepages == CONFIG_HUGEPAGES_ON && !there) {
        journal_say(journal, CONFIG_LEVEL_ERROR, "eal", "not enough free hugepages of 2 MiB",
                    J_U("needed_mib", config->memory_mib));
        return false;
    }
    static struct args args; /* EAL keeps pointers into it */
    args_make(&args, config, place, *hugepages);
    log_redirect(journal);
    int rc = rte_eal_init(args.count, args.pointers);
    int error = rte_errno;
    pthread_setaffinity_np(pthread_self(), sizeof place->all, &place->all);
    if (rc < 0)
        journal_say(journal, CONFIG_LEVEL_ERROR, "eal", "DPDK did not start",
                    J_T("reason", rte_strerror(error)), J_U("memory_mib", config->memory_mib),
                    J_U("hugepages", *hugepages));
    return rc >= 0;
}

void eal_stop(void)
{
    rte_eal_cleanup();
}

void *eal_memory(size_t bytes, bool hugepages, int node)
{
    void *at = hugepages ? rte_zmalloc_socket("worker", bytes, 4096, node) : NULL;
    if (at != NULL)
        return at;
    at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    madvise(at, bytes, MADV_HUGEPAGE);
    return at; /* the first touch, by this thread, decides the node */
}
