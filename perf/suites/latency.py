# SPDX-License-Identifier: BSD-3-Clause
"""Latencies that the workers stamped, between two looks at `waxctl workers`."""

SUB_BITS = 6  # of include/waxwire/latency.h


def bucket_top(bucket):
    """The largest value of a bucket, as in include/waxwire/latency.h."""
    power, low = bucket >> SUB_BITS, bucket & ((1 << SUB_BITS) - 1)
    return bucket if power == 0 else (((1 << SUB_BITS) + low + 1) << (power - 1)) - 1


def between(before, after):
    """Percentiles, in microseconds, of what was relayed in between."""
    counts = {}
    for sign, workers in ((-1, before), (1, after)):
        for worker in workers:
            for bucket, count in worker["latency_buckets"]:
                counts[bucket] = counts.get(bucket, 0) + sign * count
    total = sum(counts.values())
    found = {"count": total}
    for name, part in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)):
        seen = 0
        for bucket in sorted(counts):
            seen += counts[bucket]
            if seen > 0 and seen >= total * part:
                found[name] = round(bucket_top(bucket) / 1000, 2)
                break
    return found
