/** Graphemes of at most this many bytes are looked up whole; longer ones, letter by letter. */
const WHOLE_BYTES = 5;

/** What a map of letters puts in place of a beginning of some bytes, and how many bytes that is. */
export interface Replacement {
  text: string;
  length: number;
}

/**
 * SentencePiece's `precompiled_charsmap`: the trie's size in 4 bytes, the trie (a double array, https://github.com/s-yata/darts-clone), the
 * replacements, each ended by a zero.
 * @returns looks up the shortest or the longest beginning of bytes, from `start` on, that is in the map
 * @throws RangeError where the map is damaged
 */
export function charsmapLookup(map: Uint8Array): (bytes: Uint8Array, start: number, longest: boolean) => Replacement | undefined {
  const view = new DataView(map.buffer, map.byteOffset, map.byteLength);
  const trieBytes = map.byteLength < 4 ? 0 : view.getUint32(0, true);
  if (trieBytes === 0 || trieBytes % 4 !== 0 || trieBytes > map.byteLength - 4)
    throw new RangeError(`precompiled_charsmap: ${map.byteLength} bytes hold no trie of ${trieBytes}`);
  const units = new Uint32Array(trieBytes / 4);
  for (let i = 0; i < units.length; i++) units[i] = view.getUint32(4 + 4 * i, true);
  const replacements = Buffer.from(map.buffer, map.byteOffset + 4 + trieBytes, map.byteLength - 4 - trieBytes);

  return (bytes, start, longest) => {
    let found: Replacement | undefined;
    let node = offset(units[0]);
    for (let i = start; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === 0) return found;
      node ^= byte;
      const unit = units[node];
      if (unit === undefined || label(unit) !== byte) return found;
      node ^= offset(unit);
      if ((unit >>> 8) & 1) {
        const from = units[node] & 0x7fffffff;
        const end = replacements.indexOf(0, from);
        found = { text: replacements.toString('utf8', from, end < 0 ? undefined : end), length: i + 1 - start };
        if (!longest) return found;
      }
    }
    return found;
  };
}

/**
 * SentencePiece's `precompiled_charsmap`, applied as the tokenizers library does it: each grapheme, else each of its letters, is
 * replaced by what the map holds for the shortest beginning of its bytes that is in it.
 * @throws RangeError where the map is damaged
 */
export function charsmap(map: Uint8Array): (text: string) => string {
  const lookup = charsmapLookup(map);
  const replacement = (bytes: Uint8Array): string | undefined => lookup(bytes, 0, false)?.text;
  const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
  const remembered = new Map<string, string>();
  const replaced = (grapheme: string): string => {
    const known = remembered.get(grapheme);
    if (known !== undefined) return known;
    const bytes = Buffer.from(grapheme);
    const whole = bytes.length <= WHOLE_BYTES ? replacement(bytes) : undefined;
    const result = whole ?? [...grapheme].map((letter) => replacement(Buffer.from(letter)) ?? letter).join('');
    remembered.set(grapheme, result);
    return result;
  };
  return (text) => {
    let result = '';
    for (const { segment } of graphemes.segment(text)) result += replaced(segment);
    return result;
  };
}

const offset = (unit: number): number => (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
const label = (unit: number): number => (unit & ((1 << 31) | 0xff)) >>> 0;
