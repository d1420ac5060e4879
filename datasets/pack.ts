import type { PackedBatch, TokenizedPair } from './types';

/** Rows that a pair takes in a packed batch: prompt, chosen and rejected, less the last token of each completion. */
export function packedRows(pair: TokenizedPair): number {
  return pair.prompt.length + pair.chosen.length + pair.rejected.length - 2;
}

/** Tokens of every pair's completions, their end-of-sequence token included. */
export function completionLengths(pairs: readonly TokenizedPair[]): { chosen: Float32Array; rejected: Float32Array } {
  const lengths = (side: 'chosen' | 'rejected'): Float32Array => Float32Array.from(pairs, (pair) => pair[side].length);
  return { chosen: lengths('chosen'), rejected: lengths('rejected') };
}

/**
 * Packs B pairs into one row of tokens without padding (Krell et al. 2021, with a pair's prompt shared by its two completions).
 *
 * A pair of prompt P, chosen C and rejected R tokens takes P + (C-1) + (R-1) rows: a completion's last token is predicted but
 * predicts nothing, and no other token sees it. Its attention segments are
 *   chosen:   queries prompt + chosen, keys prompt + chosen;
 *   rejected: queries rejected alone,  keys prompt + rejected (no segment where R = 1, since no row is left).
 * The last prompt row predicts two targets, the first of each completion.
 * @param splitTails whether the tokens of a completion beyond the shorter one's length become a sequence of their own (`tailWeight` of the log-probabilities)
 */
export function packPairs(pairs: readonly TokenizedPair[], splitTails = false): PackedBatch {
  for (const pair of pairs)
    if (pair.prompt.length === 0 || pair.chosen.length === 0 || pair.rejected.length === 0)
      throw new Error('internal: a pair needs at least one token of prompt, chosen and rejected');
  const total = (count: (pair: TokenizedPair) => number) => pairs.reduce((sum, pair) => sum + count(pair), 0);
  const rows = total(packedRows);
  const chosenTargets = total((pair) => pair.chosen.length);
  const targetCount = chosenTargets + total((pair) => pair.rejected.length);

  const tokens = new Int32Array(rows);
  const positions = new Int32Array(rows);
  const predictors = new Int32Array(targetCount);
  const targets = new Int32Array(targetCount);
  const sequences = new Int32Array(targetCount);
  const keyRows: number[] = [];
  const queryLengths: number[] = [];
  const keyLengths: number[] = [];

  let row = 0;
  const targetPlace = [0, chosenTargets];
  pairs.forEach((pair, b) => {
    const prompt = pair.prompt.length;
    const promptRow = row;
    tokens.set(pair.prompt, promptRow);
    for (let i = 0; i < prompt; i++) positions[promptRow + i] = i;
    row += prompt;
    [pair.chosen, pair.rejected].forEach((completion, side) => {
      const own = completion.length - 1;
      const firstRow = row;
      tokens.set(completion.subarray(0, own), firstRow);
      for (let i = 0; i < own; i++) positions[firstRow + i] = prompt + i;
      row += own;

      const queries = side === 0 ? prompt + own : own;
      if (queries > 0) {
        queryLengths.push(queries);
        keyLengths.push(prompt + own);
        for (let i = 0; i < prompt; i++) keyRows.push(promptRow + i);
        for (let i = 0; i < own; i++) keyRows.push(firstRow + i);
      }

      const place = targetPlace[side];
      targets.set(completion, place);
      const shared = splitTails ? Math.min(pair.chosen.length, pair.rejected.length) : completion.length;
      const sequence = side * pairs.length + b;
      sequences.fill(sequence, place, place + shared);
      // 2 B is padding's
      sequences.fill(2 * pairs.length + 1 + sequence, place + shared, place + completion.length);
      predictors[place] = promptRow + prompt - 1;
      for (let i = 0; i < own; i++) predictors[place + 1 + i] = firstRow + i;
      targetPlace[side] += completion.length;
    });
  });

  return {
    pairs: pairs.length,
    tokens,
    positions,
    layout: {
      rows,
      // rows are laid out in the order of their segments
      queryRows: Int32Array.from({ length: rows }, (_, i) => i),
      queryLengths: Int32Array.from(queryLengths),
      keyRows: Int32Array.from(keyRows),
      keyLengths: Int32Array.from(keyLengths),
    },
    predictors,
    targets,
    sequences,
  };
}
