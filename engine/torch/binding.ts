import { spinCount } from './spinCount';

/** A tensor in libtorch: a number that the binding knows. A slot is freed once, by whoever owns it. */
export type Slot = number & { readonly __slot: true };

/** What the compiled `binding.cc` exports. */
export interface Binding {
  readonly meta: Int32Array;
  readonly scalars: Float64Array;
  readonly types: Uint8Array;
  operator(name: string, overload: string): number;
  call(operator: number, ...args: unknown[]): void;
  free(slot: Slot): void;
  alias(slot: Slot): Slot;
  shape(slot: Slot): void;
  liveSlots(): number;
  fromBytes(bytes: ArrayBufferView, type: number, shape: readonly number[], stored: number, device: string): Slot;
  toBytes(slot: Slot, bytes: ArrayBufferView, type: number): void;
  noteUploads(): void;
  serveUploads(): void;
  endUploads(): number;
  takeUploads(): Slot[];
  unowned(slot: Slot): Slot;
  recording(on: boolean): boolean;
  requiresGrad(slots: readonly Slot[], on: boolean): void;
  detach(slot: Slot, leaf: boolean): Slot;
  needsGrad(slot: Slot): boolean;
  backward(roots: readonly Slot[], gradients: readonly Slot[] | null, keepGraph: boolean): void;
  takeGrad(slot: Slot): Slot | -1;
  ensureGrad(slot: Slot): Slot;
  packedAttention(
    q: Slot,
    k: Slot,
    v: Slot,
    keyRows: Slot | undefined,
    keyUses: Slot | undefined,
    queryStarts: Slot,
    keyStarts: Slot,
    longestQuery: number,
    longestKey: number,
    scale: number,
    window: number,
  ): Slot;
  /** Whether the kernels that call libtorch's BLAS themselves are there: `runsAttention`, `headForward`, `headBackward`. */
  hasBlas(): boolean;
  runsAttention(
    q: Slot,
    k: Slot,
    v: Slot,
    segments: Slot,
    runs: Slot,
    groups: Slot,
    scale: number,
    window: number,
    causal: boolean,
    cap: number,
  ): Slot;
  headForward(logits: Slot, targets: Slot, scale: number): void;
  headBackward(logits: Slot, sums: Slot, targets: Slot, gradient: Slot, hidden: Slot, head: Slot, scale: number, trained: boolean): Slot;
  sampleNucleus(logits: Slot, uniforms: Float64Array, rows: Int32Array, temperature: number, topP: number, tokens: Int32Array): boolean;
  /** The first eight: `weightArguments` of a quantised weight. */
  quantizedLinear(...args: (Slot | number | undefined)[]): Slot;
  dequantized(...args: (Slot | number | undefined)[]): Slot;
  quantizedNorms(...args: (Slot | number | undefined)[]): Slot;
  compileUpdate(source: string, device: string): void;
  onePassUpdate(
    masters: readonly Slot[],
    gradients: readonly Slot[],
    firsts: readonly Slot[],
    seconds: readonly Slot[],
    copies: readonly (Slot | undefined)[],
    norm: Slot,
    settings: readonly number[],
  ): void;
  cudaDevices(): number;
  capability(device: string): number;
  peakMemory(device: string): number;
  freeMemory(device: string): number;
  tf32(on: boolean): boolean;
  threads(count?: number): number;
  seed(seed: number): void;
}

/** c10::ScalarType, the numbers that operators take for a dtype. */
export const scalarType = {
  uint8: 0,
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  float16: 5,
  float32: 6,
  float64: 7,
  bool: 11,
  bfloat16: 15,
} as const;

const RECORD = 10;

/** An operator of libtorch as a function; a second result and more come from `atenMany`. */
export type Aten = (...args: unknown[]) => Slot;

let binding: Binding | undefined;
/** The binding's `meta` and `types`: a property of it costs a look-up, at every operator. */
let meta: Int32Array = new Int32Array(1);
let types: Uint8Array = new Uint8Array(1);
let created: Slot[] | undefined;

/** Loads the compiled addon; once a process (once a test file under jest). */
export function loadBinding(path: string): Binding {
  // by default OpenMP's threads spin for long after every operation: beside another busy process that costs 30 times the work
  if (process.env.OMP_WAIT_POLICY === undefined) process.env.GOMP_SPINCOUNT ??= String(spinCount());
  binding ??= require(path) as Binding;
  ({ meta, types } = binding);
  return binding;
}

/** The addon. @throws when it is not loaded: a bug of ours */
export function torch(): Binding {
  if (!binding) throw new Error('internal: the torch binding is not loaded');
  return binding;
}

/** The slot of a result that the last call wrote to `meta`. */
export function resultSlot(index: number): Slot {
  return meta[1 + index * RECORD] as Slot;
}

/** A caller of `aten::name.overload`: the operator is looked up at its first call; the number of its results is given back. */
function caller(name: string): (args: unknown[]) => number {
  const [base, overload = ''] = name.split('.');
  const full = base.includes('::') ? base : `aten::${base}`;
  let owner: Binding | undefined;
  let operator = -1;
  return (args) => {
    const addon = torch();
    if (owner !== addon) {
      operator = addon.operator(full, overload);
      owner = addon;
    }
    addon.call(operator, ...args);
    return meta[0];
  };
}

/**
 * The operator `aten::name.overload` as a function that returns its first tensor; any further ones are freed. One that returns
 * nothing gives a slot that must not be used.
 * Arguments follow the operator's schema: tensors are slots, `undefined` takes the schema's default.
 * @example const add = aten('add.Tensor'); const sum = add(a, b);
 */
export function aten(name: string): Aten {
  const run = caller(name);
  return (...args) => {
    const count = run(args);
    let first = -1 as Slot;
    for (let i = 0; i < count; i++) {
      const slot = resultSlot(i);
      if (slot < 0) continue;
      if (first < 0) first = slot;
      else torch().free(slot);
    }
    if (first >= 0) created?.push(first);
    return first;
  };
}

/** The same, returning every tensor that the operator returns (a list of tensors counts one by one). */
export function atenMany(name: string): (...args: unknown[]) => Slot[] {
  const run = caller(name);
  return (...args) => {
    const count = run(args);
    const slots: Slot[] = [];
    for (let i = 0; i < count; i++) {
      const slot = resultSlot(i);
      if (slot < 0) continue;
      slots.push(slot);
      created?.push(slot);
    }
    return slots;
  };
}

/** Frees a slot early inside `scoped`, or one that `scoped` let out. */
export function freeSlot(slot: Slot): void {
  if (created) {
    const at = created.lastIndexOf(slot);
    if (at >= 0) created.splice(at, 1);
  }
  torch().free(slot);
}

/** Counts a slot made by other means than `aten` among those that `scoped` frees. */
export function track(slot: Slot): Slot {
  created?.push(slot);
  return slot;
}

/** Runs `f` and frees every slot that it made but the ones it returns. */
export function scoped<T extends Slot | readonly Slot[] | void>(f: () => T): T {
  const outer = created;
  const mine: Slot[] = [];
  created = mine;
  let kept: readonly Slot[] = [];
  try {
    const result = f();
    kept = result === undefined ? [] : Array.isArray(result) ? (result as Slot[]) : [result as Slot];
    return result;
  } finally {
    created = outer;
    for (const slot of mine) if (!kept.includes(slot)) torch().free(slot);
    // a kept slot that f did not make itself belongs to someone else already
    if (outer) for (const slot of kept) if (mine.includes(slot)) outer.push(slot);
  }
}

/** The c10::ScalarType of a slot. */
export function typeOf(slot: Slot): number {
  return types[slot];
}

/** The shape and c10::ScalarType of a slot. */
export function describe(slot: Slot): { shape: number[]; type: number } {
  // mostly of what the last operator returned, whose record is still there: the binding clears it when the slot gets another tensor
  if (meta[1] !== slot) torch().shape(slot);
  const rank = meta[3];
  const shape = new Array<number>(rank);
  for (let i = 0; i < rank; i++) shape[i] = meta[4 + i];
  return { shape, type: meta[2] };
}
