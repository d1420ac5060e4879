import { UserError } from '../../util/errors';
import type { GgufFile, GgufValue } from './readGguf';

/** Typed look-ups in a GGUF file's metadata; each throws a UserError that names the file, the key and what it holds. */
export interface Metadata {
  path: string;
  has(key: string): boolean;
  /** A number, or `fallback` where the key is absent. */
  number(key: string, fallback?: number): number;
  /** A finite number above 0. */
  positive(key: string, fallback?: number): number;
  /** A whole number of at least 1. */
  count(key: string, fallback?: number): number;
  text(key: string, fallback?: string): string;
  flag(key: string, fallback?: boolean): boolean;
  texts(key: string): string[];
  /** A list of `length` numbers. */
  numbers(key: string, length: number): number[];
  /** A token's id below `size`, or undefined where the key is absent. */
  tokenId(key: string, size: number): number | undefined;
}

export function metadataOf({ path, metadata }: Pick<GgufFile, 'path' | 'metadata'>): Metadata {
  function look<T extends GgufValue>(key: string, fallback: T | undefined, allowed: string, is: (value: GgufValue) => boolean): T {
    const value = metadata.get(key);
    if (value === undefined && fallback !== undefined) return fallback;
    if (value === undefined) throw new UserError(`${path}: metadata entry ${key} is missing; it must be ${allowed}`);
    if (!is(value)) throw new UserError(`${path}: metadata entry ${key} is ${describe(value)}; it must be ${allowed}`);
    return value as T;
  }
  const isNumber = (value: GgufValue): boolean => typeof value === 'number' && Number.isFinite(value);
  const isCount = (value: GgufValue): boolean => Number.isSafeInteger(value) && (value as number) >= 1;
  return {
    path,
    has: (key) => metadata.has(key),
    number: (key, fallback) => look(key, fallback, 'a number', isNumber),
    positive: (key, fallback) => look(key, fallback, 'a number above 0', (value) => isNumber(value) && (value as number) > 0),
    count: (key, fallback) => look(key, fallback, 'a whole number above 0', isCount),
    text: (key, fallback) => look(key, fallback, 'a string', (value) => typeof value === 'string'),
    flag: (key, fallback) => look(key, fallback, 'true or false', (value) => typeof value === 'boolean'),
    texts: (key) =>
      look<string[]>(key, undefined, 'a list of strings', (value) => Array.isArray(value) && value.every((v) => typeof v === 'string')),
    numbers: (key, length) =>
      look<number[]>(
        key,
        undefined,
        `a list of ${length} numbers`,
        (value) => Array.isArray(value) && value.length === length && value.every((v) => typeof v === 'number'),
      ),
    tokenId: (key, size) =>
      metadata.has(key)
        ? look<number>(
            key,
            undefined,
            `a token's id, 0 to ${size - 1}`,
            (value) => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < size,
          )
        : undefined,
  };
}

function describe(value: GgufValue): string {
  if (Array.isArray(value)) return `a list of ${value.length}${value.length > 0 ? ` (first: ${describe(value[0])})` : ''}`;
  return typeof value === 'string' ? JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value) : String(value);
}

/** The shortest decimal that is this float32: 1e-6 for the 9.999999974752427e-7 that float32 makes of it. */
export function shortestDecimal(float32: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(float32.toPrecision(digits));
    if (Math.fround(candidate) === float32) return candidate;
  }
  return float32;
}
