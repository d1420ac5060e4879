/** An event of libtorch's profiler: name, whether it ran on the GPU, thread, start and end in nanoseconds. */
export type ProfilerEvent = readonly [name: string, gpu: 0 | 1, thread: number, start: number, end: number];

/** All events of one name. */
export interface SelfTime {
  name: string;
  count: number;
  /** Milliseconds inside them and not inside events that they hold. */
  ms: number;
}

/** Time by name, without that of nested events; the longest first. Events of one thread nest or follow each other. */
export function selfTimes(events: readonly ProfilerEvent[]): SelfTime[] {
  const totals = new Map<string, SelfTime>();
  const byThread = new Map<number, ProfilerEvent[]>();
  for (const event of events) byThread.set(event[2], [...(byThread.get(event[2]) ?? []), event]);
  for (const list of byThread.values()) {
    // of two that start together the longer one holds the other
    list.sort((a, b) => a[3] - b[3] || b[4] - a[4]);
    const open: { event: ProfilerEvent; inside: number }[] = [];
    const close = (): void => {
      const { event, inside } = open.pop()!;
      const length = event[4] - event[3];
      const total = totals.get(event[0]) ?? { name: event[0], count: 0, ms: 0 };
      totals.set(event[0], { name: event[0], count: total.count + 1, ms: total.ms + (length - inside) / 1e6 });
      const outer = open.at(-1);
      if (outer) outer.inside += length;
    };
    for (const event of list) {
      while (open.length > 0 && open.at(-1)!.event[4] <= event[3]) close();
      open.push({ event, inside: 0 });
    }
    while (open.length > 0) close();
  }
  return [...totals.values()].sort((a, b) => b.ms - a.ms);
}
