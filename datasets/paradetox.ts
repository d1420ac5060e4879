import type { Table } from './readTable';
import type { PreferencePair } from './types';

/** Whether a table's columns are ParaDetox's own: a toxic sentence and up to three neutral rewrites. */
export function isParadetox(columns: readonly string[]): boolean {
  return columns.includes('toxic') && columns.includes('neutral1') && !columns.includes('prompt');
}

/**
 * Splits a rewritten sentence into prompt and completions: both are cut at white space, and the words at the start that are equal
 * whatever their case become the prompt, in the rewrite's spelling. At least one word stays on each side. Null where no
 * word is shared.
 */
export function splitAtSharedWords(toxic: string, neutral: string): PreferencePair | null {
  const rejected = toxic.split(/\s+/).filter(Boolean);
  const chosen = neutral.split(/\s+/).filter(Boolean);
  const most = Math.min(rejected.length, chosen.length) - 1;
  let shared = 0;
  while (shared < most && rejected[shared].toLowerCase() === chosen[shared].toLowerCase()) shared++;
  if (shared === 0) return null;
  const rest = (words: readonly string[]) => ` ${words.slice(shared).join(' ')}`;
  return { prompt: chosen.slice(0, shared).join(' '), chosen: rest(chosen), rejected: rest(rejected) };
}

/**
 * Preference pairs from ParaDetox (Logacheva et al. 2022, `paradetox.tsv`): the first rewrite against the toxic sentence.
 * Rows that share no first word make no pair; pairs with two equal sides are dropped. `notes` counts both.
 */
export function paradetoxPairs(table: Table): { pairs: PreferencePair[]; notes: string[] } {
  const toxic = table.columns.indexOf('toxic');
  const neutral = table.columns.indexOf('neutral1');
  const split = table.rows.map(({ cells }) => splitAtSharedWords(cells[toxic], cells[neutral]));
  const sharing = split.filter((pair) => pair !== null);
  const pairs = sharing.filter((pair) => pair.chosen !== pair.rejected);
  return {
    pairs,
    notes: [
      `ParaDetox: ${sharing.length} of ${table.rows.length} rows share a beginning, which becomes the prompt`,
      `dropped, since both sides are equal: ${sharing.length - pairs.length}`,
    ],
  };
}
