import { charsmapLookup } from './charsmap';
import { USER_DEFINED, type SentencePieceModel } from './sentencePieceModel';
import { UNDERLINE } from './sentencePieceParts';

/**
 * A text as SentencePiece hands it to its model (`Normalizer::Normalize`): the longest match of the map of letters at each place, but the user's
 * pieces as they are; extra spaces left out, a space in front, spaces written as U+2581, as the model says.
 */
export function sentencePieceNormalizer(model: SentencePieceModel): (text: string) => string {
  const lookup = model.charsmap.length > 0 ? charsmapLookup(model.charsmap) : null;
  const users = model.pieces.filter(({ type }) => type === USER_DEFINED).map(({ piece }) => Buffer.from(piece));
  users.sort((a, b) => b.length - a.length);

  /** What stands for the next bytes, and how many they are. */
  const next = (bytes: Buffer, at: number): { text: string; length: number } => {
    const user = users.find((piece) => bytes.subarray(at, at + piece.length).equals(piece));
    if (user) return { text: user.toString(), length: user.length };
    const replaced = lookup?.(bytes, at, true);
    if (replaced) return replaced;
    const length = letterBytes(bytes[at]);
    return { text: bytes.toString('utf8', at, at + length), length };
  };

  return (text) => {
    const bytes = Buffer.from(text);
    const trims = model.removeExtraWhitespaces;
    let at = 0;
    while (trims && at < bytes.length) {
      const { text: letters, length } = next(bytes, at);
      if (letters !== ' ') break;
      at += length;
    }
    if (at >= bytes.length) return '';
    let result = model.addDummyPrefix ? UNDERLINE : '';
    let afterSpace = trims;
    while (at < bytes.length) {
      const { text: letters, length } = next(bytes, at);
      const kept = afterSpace ? letters.replace(/^ +/, '') : letters;
      result += kept.replaceAll(' ', UNDERLINE);
      if (kept !== '') afterSpace = trims && kept.endsWith(' ');
      at += length;
    }
    return trims ? result.replace(/▁+$/, '') : result;
  };
}

/** Bytes of the letter that begins with this one, in UTF-8. */
const letterBytes = (first: number): number => (first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4);
