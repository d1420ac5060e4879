import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Turns of a waiting OpenMP thread's loop before it sleeps: on a machine of one's own, and beside others. */
const SPINS = { alone: 20_000, beside: 1_000 } as const;

/**
 * How long OpenMP's threads spin for the next operation (libgomp's GOMP_SPINCOUNT). Long spinning is faster while every thread has a core of
 * its own, and many times slower where it keeps the thread that it waits for from running (docs/LOG.md).
 * @param loadAverage what /proc/loadavg says: three averages, then threads that run now / threads there are
 * @param cores cores that this process may use
 */
export function spinCount(loadAverage = readLoadAverage(), cores = availableParallelism()): number {
  const [lastMinute, , , threads = ''] = loadAverage.split(' ');
  // one of them is this process; an average alone would count the command before this one, a moment alone the system's own work
  const others = Number.parseInt(threads, 10) - 1;
  const isBusy = others >= cores / 2 && Number.parseFloat(lastMinute) >= cores / 2;
  return isBusy ? SPINS.beside : SPINS.alone;
}

/** Empty on systems without it: they have no libgomp either. */
function readLoadAverage(): string {
  try {
    return readFileSync('/proc/loadavg', 'utf8');
  } catch {
    return '';
  }
}
