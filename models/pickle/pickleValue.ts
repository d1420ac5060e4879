/** What a pickle may hold here: plain data, names of Python objects, and what the host makes of them. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | { kind: 'list'; items: PickleValue[] }
  | { kind: 'tuple'; items: PickleValue[] }
  | { kind: 'dict'; entries: Map<PickleValue, PickleValue> }
  | { kind: 'global'; name: string }
  | { kind: 'made'; what: string; value: unknown };

/** A value's kind, for messages; never its contents, which may hold themselves. */
export function describeValue(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'None';
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value !== 'object') return `${typeof value === 'boolean' ? 'the flag' : 'the number'} ${String(value).slice(0, 40)}`;
  if (value instanceof Uint8Array) return 'bytes';
  if (value.kind === 'global') return value.name.replace(' ', '.');
  return value.kind === 'made' ? `a ${value.what}` : `a ${value.kind}`;
}

/** Whether a value is a list, tuple, dictionary, … */
export function isKind<K extends 'list' | 'tuple' | 'dict' | 'global' | 'made'>(
  value: PickleValue | undefined,
  kind: K,
): value is Extract<PickleValue, { kind: K }> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && value.kind === kind;
}
