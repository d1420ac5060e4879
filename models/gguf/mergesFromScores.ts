/**
 * The merges that a SentencePiece BPE vocabulary implies: every split of a token into two tokens, best score first, then longest left
 * part, then longest right part (in code points), then in the order of the vocabulary. Equal to transformers' `generate_merges`.
 * @param ids each token's id, in the vocabulary's order
 * @param scores each token's score
 */
export function mergesFromScores(ids: ReadonlyMap<string, number>, scores: (token: string) => number): [string, string][] {
  interface Merge {
    left: string;
    right: string;
    score: number;
    leftLength: number;
    rightLength: number;
  }
  const merges: Merge[] = [];
  for (const token of ids.keys()) {
    const score = scores(token);
    const length = codePoints(token);
    let leftLength = 0;
    // Splits of one token differ in their left length, so that the sort below alone decides their order.
    for (let at = 0; at < token.length;) {
      at += token.codePointAt(at)! > 0xffff ? 2 : 1;
      leftLength++;
      if (leftLength === length) break;
      const left = token.slice(0, at);
      if (!ids.has(left)) continue;
      const right = token.slice(at);
      if (ids.has(right)) merges.push({ left, right, score, leftLength, rightLength: length - leftLength });
    }
  }
  merges.sort((a, b) => b.score - a.score || b.leftLength - a.leftLength || b.rightLength - a.rightLength);
  return merges.map(({ left, right }) => [left, right]);
}

function codePoints(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; count++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return count;
}
