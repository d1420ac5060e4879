import { BYTE, BPE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, type SentencePieceModel, type TextPieces } from './sentencePieceModel';
import { mergedPieces } from './sentencePieceMerges';
import { sentencePieceNormalizer } from './sentencePieceNormalizer';
import { byteTokens } from './sentencePieceParts';

/** SentencePiece's penalty of a letter that no piece covers, below the least probable piece. */
const UNKNOWN_PENALTY = 10;
/** What each byte of a piece of the user's but the first weighs, in SentencePiece 0.2.3; earlier versions give the whole piece -0.1. */
const USER_BONUS = 0.1;

/**
 * Cuts a text as SentencePiece itself does it: normalised, then the most probable pieces (unigram) or the best merges (BPE), the user's pieces never
 * cut; what no piece covers is spelled in bytes, or is the unknown piece, once for neighbours.
 * @returns pieces of a text
 */
export function sentencePieceEncoder(model: SentencePieceModel): (text: string) => string[] {
  const normalize = sentencePieceNormalizer(model);
  const reserved = [CONTROL, UNKNOWN, BYTE];
  const matching = model.pieces.filter(({ type }) => !reserved.includes(type));
  // the first of equal pieces counts
  const known = new Map([...matching].reverse().map(({ piece, score, type }) => [piece, { score, type }]));
  const longest = matching.reduce((most, { piece }) => Math.max(most, [...piece].length), 1);
  const cut = model.kind === BPE ? mergedPieces({ known, longest }) : likeliestPieces({ known, longest });
  const unknown = model.pieces[model.unkId].piece;
  return (text) => {
    const result: string[] = [];
    for (const piece of cut([...normalize(text)])) {
      if (known.has(piece)) result.push(piece);
      else if (model.byteFallback) result.push(...byteTokens(piece));
      else if (result.at(-1) !== unknown) result.push(unknown);
    }
    return result;
  };
}

/** Viterbi's best path, in float32 as SentencePiece computes it, so that ties fall alike. */
function likeliestPieces({ known, longest }: TextPieces): (letters: readonly string[]) => string[] {
  let lowest = Infinity;
  for (const { score, type } of known.values()) if (type === NORMAL) lowest = Math.min(lowest, score);
  const unknownScore = Math.fround(lowest - UNKNOWN_PENALTY);
  return (letters) => {
    const best = new Float32Array(letters.length + 1);
    const from = new Int32Array(letters.length + 1).fill(-1);
    const offer = (start: number, end: number, score: number): void => {
      const total = Math.fround(best[start] + score);
      if (from[end] >= 0 && total <= best[end]) return;
      best[end] = total;
      from[end] = start;
    };
    letters.forEach((_, start) => {
      let piece = '';
      let single = false;
      for (let end = start; end < Math.min(letters.length, start + longest); end++) {
        piece += letters[end];
        const found = known.get(piece);
        if (!found || found.type === UNUSED) continue;
        offer(start, end + 1, found.type === USER_DEFINED ? USER_BONUS * (Buffer.byteLength(piece) - 1) : found.score);
        single ||= end === start;
      }
      if (!single) offer(start, start + 1, unknownScore);
    });
    const result: string[] = [];
    for (let end = letters.length; end > 0; end = from[end]) result.push(letters.slice(from[end], end).join(''));
    return result.reverse();
  };
}
