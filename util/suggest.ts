import { closest, distance } from 'fastest-levenshtein';
import { UserError } from './errors';

/** The known name nearest to `name`, when it is near enough to be a slip of the keys, or the only one that begins with it. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const longer = name.length < 3 ? [] : known.filter((other) => other.startsWith(name));
  if (longer.length === 1) return longer[0];
  const best = closest(name, known);
  return distance(name, best) <= Math.max(2, Math.floor(name.length / 3)) ? best : undefined;
}

/**
 * Looks `name` up in a literal table.
 * @throws UserError `unknown <what> "x"; did you mean "y"?; known: a, b, c`
 */
export function lookup<T>(table: Readonly<Record<string, T>>, name: string, what: string): T {
  if (Object.hasOwn(table, name)) return table[name];
  const known = Object.keys(table);
  const guess = nearest(name, known);
  throw new UserError(`unknown ${what} "${name}"${guess ? `; did you mean "${guess}"?` : ''}; known: ${known.join(', ')}`);
}
