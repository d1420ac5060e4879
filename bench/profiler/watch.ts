import type { Binding } from '../../engine/torch/binding';

/** The binding's functions by what they do; kernels of ours count as operators. */
const WORKING = {
  operators: [
    ...(['call', 'packedAttention', 'runsAttention', 'headForward', 'headBackward', 'ensureGrad', 'onePassUpdate'] as const),
    ...(['quantizedLinear', 'quantizedNorms', 'dequantized', 'sampleNucleus'] as const),
  ],
  backward: ['backward'],
  transfers: ['fromBytes', 'toBytes'],
  slots: ['free', 'alias', 'shape', 'detach', 'takeGrad', 'needsGrad', 'requiresGrad', 'recording'],
} as const;

export type Part = keyof typeof WORKING;

/** Calls and milliseconds inside the binding, by part, and what a watched call takes beside what it counts. */
export interface Watch {
  parts: Record<Part, Spent>;
  costMs: number;
}

export interface Spent {
  count: number;
  ms: number;
}

/** `f`, counted and timed. */
function watched<A extends unknown[], R>(f: (...args: A) => R, spent: Spent): (...args: A) => R {
  return (...args) => {
    const began = performance.now();
    try {
      return f(...args);
    } finally {
      spent.ms += performance.now() - began;
      spent.count++;
    }
  };
}

/** Counts and times the binding's working functions from here on. */
export function watch(binding: Binding): Watch {
  const functions = binding as unknown as Record<string, (...args: unknown[]) => unknown>;
  const entries = Object.entries(WORKING).map(([part, names]) => {
    const spent = { count: 0, ms: 0 };
    for (const name of names) functions[name] = watched(functions[name], spent);
    return [part, spent] as const;
  });
  const empty = { count: 0, ms: 0 };
  const nothing = watched((value: number) => value, empty);
  const began = performance.now();
  for (let i = 0; i < 100_000; i++) nothing(i);
  const costMs = (performance.now() - began - empty.ms) / empty.count;
  return { parts: Object.fromEntries(entries) as Watch['parts'], costMs };
}
