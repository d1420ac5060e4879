import type { ActivationName } from '../engine/ops/activations';
import { UserError } from '../util/errors';

type Json = Readonly<Record<string, unknown>>;

/** Where fields are read from: one object of a config.json, and how errors name it. */
export interface ConfigSource {
  json: Json;
  file: string;
  /** `text_config.` for an object inside the file, else empty. */
  path?: string;
}

/** Spellings of one field, the current one first; the first that is there and not null counts. */
type Names = string | readonly string[];

function find(source: ConfigSource, names: Names): { name: string; value: unknown } {
  const all = typeof names === 'string' ? [names] : names;
  const name = all.find((candidate) => source.json[candidate] !== undefined && source.json[candidate] !== null);
  return { name: name ?? all[0], value: name === undefined ? undefined : source.json[name] };
}

/** An error that names the file, the field, what it holds and what is allowed. */
export function fieldError(source: ConfigSource, name: string, value: unknown, allowed: string): UserError {
  const found = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`;
  return new UserError(`${source.file}: ${source.path ?? ''}${name} ${found}; it must be ${allowed}`);
}

function read<T>(source: ConfigSource, names: Names, fallback: T | undefined, allowed: string, isAllowed: (value: unknown) => boolean): T {
  const { name, value } = find(source, names);
  if (value === undefined && fallback !== undefined) return fallback;
  if (value === undefined || !isAllowed(value)) throw fieldError(source, name, value, allowed);
  return value as T;
}

/** More than any model has: a larger size is a damaged file, and would be met by memory or time running out. */
const MOST_LAYERS = 10_000;
const LARGEST_SIZE = 2 ** 31 - 1;

/** A whole number above 0 and no larger than any model's. Without a fallback the field must be there. @throws UserError */
export function positiveInteger(source: ConfigSource, names: Names, fallback?: number): number {
  const most = /layers?$/.test(find(source, names).name) ? MOST_LAYERS : LARGEST_SIZE;
  const value = read<number>(
    source,
    names,
    fallback,
    'a whole number above 0',
    (found) => Number.isSafeInteger(found) && (found as number) > 0,
  );
  if (value > most) throw fieldError(source, find(source, names).name, value, `at most ${most}`);
  return value;
}

/** A finite number above 0. @throws UserError */
export function positiveNumber(source: ConfigSource, names: Names, fallback?: number): number {
  return read(source, names, fallback, 'a number above 0', (value) => Number.isFinite(value) && (value as number) > 0);
}

/** As `positiveNumber`, `undefined` where the field is absent or null. @throws UserError */
export function optionalPositiveNumber(source: ConfigSource, names: Names): number | undefined {
  return find(source, names).value === undefined ? undefined : positiveNumber(source, names);
}

/** @throws UserError */
export function flag(source: ConfigSource, names: Names, fallback?: boolean): boolean {
  return read(source, names, fallback, 'true or false', (value) => typeof value === 'boolean');
}

/** @throws UserError */
export function text(source: ConfigSource, names: Names, fallback?: string): string {
  return read(source, names, fallback, 'a string', (value) => typeof value === 'string');
}

/** An object inside the config as a source of its own; `undefined` where it is absent or null. @throws UserError */
export function section(source: ConfigSource, names: Names): ConfigSource | undefined {
  const { name, value } = find(source, names);
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) throw fieldError(source, name, value, 'an object');
  return { json: value as Json, file: source.file, path: `${source.path ?? ''}${name}.` };
}

/** A list of strings out of `allowed`, of the given length; `undefined` where it is absent or null. @throws UserError */
export function optionalList<T extends string>(source: ConfigSource, name: string, allowed: readonly T[], length: number): T[] | undefined {
  const { value } = find(source, name);
  if (value === undefined) return undefined;
  const wanted = `a list of ${length}, each ${allowed.join(' or ')}`;
  if (!Array.isArray(value) || value.length !== length) {
    throw fieldError(source, name, Array.isArray(value) ? `a list of ${value.length}` : value, wanted);
  }
  const stranger: unknown = value.find((entry) => !allowed.includes(entry as T));
  if (stranger !== undefined) throw fieldError(source, name, stranger, wanted);
  return value as T[];
}

/** Refuses fields that would change the result and are not supported: any value but absent, null, false or empty. @throws UserError */
export function refuse(source: ConfigSource, names: readonly string[]): void {
  for (const name of names) {
    const { value } = find(source, name);
    if (value === undefined || value === false || value === 0) continue;
    if (typeof value === 'object' && Object.keys(value as object).length === 0) continue;
    throw fieldError(source, name, value, 'absent: this model feature is not supported');
  }
}

/** Names of transformers' ACT2FN, by the function they compute; the tanh approximations differ in rounding alone. */
const ACTIVATIONS: Readonly<Record<string, ActivationName>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_python_tanh: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_accurate: 'gelu_tanh',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
};

/** An activation function by transformers' name. @throws UserError */
export function activationField(source: ConfigSource, names: Names, fallback: string): ActivationName {
  const name = text(source, names, fallback);
  if (Object.hasOwn(ACTIVATIONS, name)) return ACTIVATIONS[name];
  throw fieldError(source, find(source, names).name, name, `one of ${Object.keys(ACTIVATIONS).join(', ')}`);
}

/** @throws UserError where `whole` is no multiple of `part` */
export function requireMultiple(source: ConfigSource, wholeName: string, whole: number, partName: string, part: number): void {
  if (whole % part !== 0) throw fieldError(source, wholeName, whole, `a multiple of ${partName} (${part})`);
}
