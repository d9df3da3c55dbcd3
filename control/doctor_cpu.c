/* SPDX-License-Identifier: BSD-3-Clause */
/* The cores of the workers: there, near their ports, alone, awake, and not interrupted. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define CPU "/sys/devices/system/cpu"

/* Names of cores that a rule catches, for a message. */
struct names {
    char text[200];
    uint32_t count;
};

static void name_core(struct names *names, uint32_t cpu)
{
    size_t len = strlen(names->text);
    names->count++;
    if (len + 8 < sizeof names->text)
        snprintf(names->text + len, sizeof names->text - len, "%s%u", len == 0 ? "" : ",", cpu);
}

/* The cores that a list of the kernel's doesn't have. */
static struct names missing_in(const struct doctor *doctor, const char *list)
{
    struct names names = {"", 0};
    struct cpu_set set;
    cpu_set_read(&set, list);
    for (uint32_t i = 0; i < doctor->config->core_count; i++) {
        if (!cpu_set_has(&set, doctor->config->cores[i]))
            name_core(&names, doctor->config->cores[i]);
    }
    return names;
}

static void check_nodes(struct doctor *doctor)
{
    const struct wax_config *config = doctor->config;
    bool known = false, far = false;
    for (uint32_t p = 0; p < config->port_count; p++) {
        int node = doctor_port_node(doctor, &config->port[p]);
        struct names names = {"", 0};
        known |= node >= 0;
        for (uint32_t i = 0; node >= 0 && i < config->core_count; i++) {
            int own = doctor_cpu_node(doctor, config->cores[i]);
            if (own >= 0 && own != node)
                name_core(&names, config->cores[i]);
        }
        far |= names.count != 0;
        if (names.count != 0)
            doctor_say(doctor, DOCTOR_WARN, "numa",
                       "set dataplane.cores to cores of the port's node (lscpu -e)",
                       "port %s is on node %d, but cores %s of its workers are not", config->port[p].device,
                       node, names.text);
    }
    if (known && !far && config->core_count != 0)
        doctor_say(doctor, DOCTOR_GOOD, "numa", "", "workers' cores are on the nodes of their ports");
}

static void check_siblings(struct doctor *doctor)
{
    struct cpu_set mine = doctor_worker_cores(doctor);
    struct names names = {"", 0};
    char list[256];
    for (uint32_t i = 0; i < doctor->config->core_count; i++) {
        uint32_t cpu = doctor->config->cores[i];
        struct cpu_set siblings;
        if (!doctor_read(doctor, list, sizeof list, CPU "/cpu%u/topology/thread_siblings_list", cpu))
            continue;
        cpu_set_read(&siblings, list);
        for (uint32_t other = 0; other < cpu; other++) {
            if (cpu_set_has(&siblings, other) && cpu_set_has(&mine, other))
                name_core(&names, cpu);
        }
    }
    if (names.count != 0)
        doctor_say(doctor, DOCTOR_WARN, "siblings",
                   "give each worker a whole core: see thread_siblings_list, or turn SMT off",
                   "cores %s share a physical core with another worker", names.text);
}

/* One of isolcpus, nohz_full and rcu_nocbs. */
static void check_isolation(struct doctor *doctor, const char *what, const char *list, const char *parameter)
{
    char mend[400];
    struct names names = missing_in(doctor, list);
    enum doctor_grade grade = doctor->config->idle == CONFIG_IDLE_PERFORMANCE ? DOCTOR_WARN : DOCTOR_NOTE;
    snprintf(mend, sizeof mend, "waxwire-host apply; or %s=%s on the kernel's command line, and a reboot",
             parameter, names.text);
    if (names.count == 0)
        doctor_say(doctor, DOCTOR_GOOD, parameter, "", "has all cores of the workers");
    else
        doctor_say(doctor, grade, parameter, mend, "%s cores %s", what, names.text);
}

void doctor_cores(struct doctor *doctor)
{
    char list[1024], line[4096];
    const struct wax_config *config = doctor->config;
    if (config->core_count == 0) {
        doctor_say(doctor, config->idle == CONFIG_IDLE_PERFORMANCE ? DOCTOR_WARN : DOCTOR_NOTE, "cores",
                   "set dataplane.cores",
                   "workers are not pinned to cores: isolation, power and interrupts are not looked at");
        return;
    }
    if (doctor_read(doctor, list, sizeof list, CPU "/online")) {
        struct names names = missing_in(doctor, list);
        if (names.count != 0)
            doctor_say(doctor, DOCTOR_BAD, "cores", "set dataplane.cores to cores that there are",
                       "cores %s are not online (%s are)", names.text, list);
        else
            doctor_say(doctor, DOCTOR_GOOD, "cores", "", "%u cores for %u workers, all online",
                       config->core_count, config->workers);
    }
    if (config->core_count < config->workers)
        doctor_say(doctor, DOCTOR_WARN, "cores", "as many cores as workers", "%u workers share %u cores",
                   config->workers, config->core_count);
    check_nodes(doctor);
    check_siblings(doctor);
    (void)doctor_read(doctor, list, sizeof list, CPU "/isolated");
    check_isolation(doctor, "the kernel runs other programs on", list, "isolcpus");
    (void)doctor_read(doctor, list, sizeof list, CPU "/nohz_full");
    check_isolation(doctor, "the timer ticks on", list[0] == '(' ? "" : list, "nohz_full");
    (void)doctor_read(doctor, line, sizeof line, "/proc/cmdline");
    const char *at = strstr(line, "rcu_nocbs=");
    check_isolation(doctor, "RCU's callbacks run on", at != NULL ? at + strlen("rcu_nocbs=") : "",
                    "rcu_nocbs");
}

/* States of sleep that take longer than this to wake from are felt. */
#define SLEEP_US_MAX 10

/* Turn off, or name, the deep states of a core. True when one is left on. */
static bool sleeps_deep(struct doctor *doctor, uint32_t cpu, bool *mended)
{
    bool deep = false;
    for (uint32_t state = 0; state < 16; state++) {
        int64_t latency = doctor_number(doctor, -1, CPU "/cpu%u/cpuidle/state%u/latency", cpu, state);
        if (latency <= SLEEP_US_MAX ||
            doctor_number(doctor, 1, CPU "/cpu%u/cpuidle/state%u/disable", cpu, state) != 0)
            continue;
        bool taken = doctor_write(doctor, "1\n", CPU "/cpu%u/cpuidle/state%u/disable", cpu, state);
        *mended |= taken;
        deep |= !taken;
    }
    return deep;
}

void doctor_power(struct doctor *doctor)
{
    struct names slow = {"", 0}, deep = {"", 0};
    bool governed = false, mended = false;
    char text[64];
    if (doctor->config->idle != CONFIG_IDLE_PERFORMANCE)
        return; /* who naps wants to save power */
    for (uint32_t i = 0; i < doctor->config->core_count; i++) {
        uint32_t cpu = doctor->config->cores[i];
        if (doctor_read(doctor, text, sizeof text, CPU "/cpu%u/cpufreq/scaling_governor", cpu)) {
            bool fast = strcmp(text, "performance") == 0;
            governed = true;
            if (!fast && doctor_write(doctor, "performance\n", CPU "/cpu%u/cpufreq/scaling_governor", cpu))
                mended = true;
            else if (!fast)
                name_core(&slow, cpu);
        }
        if (sleeps_deep(doctor, cpu, &mended))
            name_core(&deep, cpu);
    }
    if (mended)
        doctor_say(doctor, DOCTOR_FIXED, "power", "",
                   "governor performance, and no deep sleep, until the next boot");
    if (slow.count != 0)
        doctor_say(doctor, DOCTOR_WARN, "governor", "waxctl doctor --fix; for each boot: waxwire-host apply",
                   "cores %s may run slower than they can", slow.text);
    else if (governed)
        doctor_say(doctor, DOCTOR_GOOD, "governor", "", "performance on all cores of the workers");
    if (deep.count != 0)
        doctor_say(doctor, DOCTOR_WARN, "c-states", "waxctl doctor --fix; for each boot: waxwire-host apply",
                   "cores %s may sleep so deep that they wake after more than %d us", deep.text,
                   SLEEP_US_MAX);
}

/* The processors of the machine without the workers', as a list. */
static void others(struct doctor *doctor, char *out, size_t room)
{
    char list[1024];
    struct cpu_set online, mine = doctor_worker_cores(doctor);
    size_t len = 0;
    out[0] = '\0';
    (void)doctor_read(doctor, list, sizeof list, CPU "/online");
    cpu_set_read(&online, list);
    for (uint32_t cpu = 0; cpu < DOCTOR_CPUS && len + 8 < room; cpu++) {
        if (cpu_set_has(&online, cpu) && !cpu_set_has(&mine, cpu))
            len += (size_t)snprintf(out + len, room - len, "%s%u", len == 0 ? "" : ",", cpu);
    }
}

void doctor_interrupts(struct doctor *doctor)
{
    char path[300], list[1024], elsewhere[1024], which[200] = "";
    struct cpu_set set, mine = doctor_worker_cores(doctor);
    uint32_t count = 0, mended = 0, looked = 0;
    snprintf(path, sizeof path, "%.200s/proc/irq", doctor->root);
    DIR *folder = doctor->config->core_count != 0 ? opendir(path) : NULL;
    if (folder == NULL)
        return;
    others(doctor, elsewhere, sizeof elsewhere);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        bool hits = false;
        if (!doctor_read(doctor, list, sizeof list, "/proc/irq/%.60s/effective_affinity_list",
                         entry->d_name) ||
            list[0] == '\0')
            continue;
        looked++;
        cpu_set_read(&set, list);
        for (uint32_t i = 0; i < DOCTOR_CPUS / 64; i++)
            hits |= (set.bit[i] & mine.bit[i]) != 0;
        if (!hits)
            continue;
        if (elsewhere[0] != '\0' &&
            doctor_write(doctor, elsewhere, "/proc/irq/%.60s/smp_affinity_list", entry->d_name)) {
            mended++;
            continue;
        }
        size_t len = strlen(which);
        if (len < 150)
            snprintf(which + len, sizeof which - len, "%s%.20s", len == 0 ? "" : ",", entry->d_name);
        count++;
    }
    closedir(folder);
    if (mended != 0)
        doctor_say(doctor, DOCTOR_FIXED, "interrupts", "", "%u interrupts moved to cores %s", mended,
                   elsewhere);
    if (count != 0)
        doctor_say(doctor, DOCTOR_WARN, "interrupts",
                   "waxctl doctor --fix; stop irqbalance, or ban the cores in it",
                   "%u interrupts (%s) go to cores of workers", count, which);
    else if (looked != 0)
        doctor_say(doctor, DOCTOR_GOOD, "interrupts", "", "none goes to a core of a worker");
}
