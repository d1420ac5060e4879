import { UserError } from '../util/errors';

/** The names that `--only` lists, separated by commas; all of them without it. @throws UserError naming one that is not known */
export function chosenNames<N extends string>(only: string | undefined, known: readonly N[]): N[] {
  if (only === undefined) return [...known];
  const names = only.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined) throw new UserError(`--only ${unknown}: allowed are ${known.join(', ')}`);
  return names as N[];
}

/** @throws UserError where `--rounds` is no number of rounds */
export function checkRounds(rounds: number): void {
  if (!Number.isInteger(rounds) || rounds < 1) throw new UserError(`--rounds is ${rounds}: a whole number of at least 1 is allowed`);
}
