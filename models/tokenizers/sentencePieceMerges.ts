import { UNUSED, USER_DEFINED, type TextPieces } from './sentencePieceModel';

/** A piece of the text, and its neighbours' places; an empty one is merged into the one before. */
interface Part {
  text: string;
  before: number;
  after: number;
  /** One of the user's pieces: it is not merged. */
  whole: boolean;
}

interface Merge {
  left: number;
  right: number;
  score: number;
  text: string;
}

/** SentencePiece's BPE: the best-scored neighbours are merged first, of equal ones the leftmost; unused pieces are taken apart again. */
export function mergedPieces({ known, longest }: TextPieces): (letters: readonly string[]) => string[] {
  return (letters) => {
    const parts = firstParts(letters, { known, longest });
    const waiting = mergeQueue();
    const halves = new Map<string, [string, string]>();
    const consider = (left: number, right: number): void => {
      if (left < 0 || right < 0 || parts[left].whole || parts[right].whole) return;
      const text = parts[left].text + parts[right].text;
      const found = known.get(text);
      if (!found) return;
      waiting.push({ left, right, score: found.score, text });
      if (found.type === UNUSED) halves.set(text, [parts[left].text, parts[right].text]);
    };
    for (let i = 1; i < parts.length; i++) consider(i - 1, i);
    for (let merge = waiting.pop(); merge; merge = waiting.pop()) {
      const [left, right] = [parts[merge.left], parts[merge.right]];
      if (left.text === '' || right.text === '' || left.text + right.text !== merge.text) continue;
      left.text = merge.text;
      right.text = '';
      left.after = right.after;
      if (right.after >= 0) parts[right.after].before = merge.left;
      consider(left.before, merge.left);
      consider(merge.left, left.after);
    }
    const apart = (text: string): string[] =>
      known.get(text)?.type === UNUSED && halves.has(text) ? halves.get(text)!.flatMap(apart) : [text];
    return parts.filter(({ text }) => text !== '').flatMap(({ text }) => apart(text));
  };
}

/** The user's pieces, the longest that begins at a place, and single letters between them. */
function firstParts(letters: readonly string[], { known, longest }: TextPieces): Part[] {
  const texts: { text: string; whole: boolean }[] = [];
  for (let at = 0; at < letters.length;) {
    let piece = '';
    let length = 0;
    for (let end = at; end < Math.min(letters.length, at + longest); end++) {
      piece += letters[end];
      if (known.get(piece)?.type === USER_DEFINED) length = end + 1 - at;
    }
    texts.push({ text: letters.slice(at, at + Math.max(1, length)).join(''), whole: length > 0 });
    at += Math.max(1, length);
  }
  return texts.map((part, i) => ({ ...part, before: i - 1, after: i + 1 < texts.length ? i + 1 : -1 }));
}

/** A binary heap of merges. */
function mergeQueue(): { push(merge: Merge): void; pop(): Merge | undefined } {
  const heap: Merge[] = [];
  const first = (a: Merge, b: Merge): boolean => a.score > b.score || (a.score === b.score && a.left < b.left);
  const swap = (i: number, j: number): void => void ([heap[i], heap[j]] = [heap[j], heap[i]]);
  return {
    push(merge) {
      heap.push(merge);
      for (let i = heap.length - 1, parent; i > 0 && first(heap[i], heap[(parent = (i - 1) >> 1)]); i = parent) swap(i, parent);
    },
    pop() {
      const top = heap[0];
      const last = heap.pop();
      if (heap.length === 0 || !last) return top;
      heap[0] = last;
      for (let i = 0; ;) {
        const [left, right] = [2 * i + 1, 2 * i + 2];
        const child = right < heap.length && first(heap[right], heap[left]) ? right : left;
        if (child >= heap.length || !first(heap[child], heap[i])) return top;
        swap(i, child);
        i = child;
      }
    },
  };
}
