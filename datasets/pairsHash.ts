import { contentHash } from '../util/files';
import type { TokenizedPair } from './types';

/** A hash of pairs' token ids. */
export function pairsHash(pairs: readonly TokenizedPair[]): string {
  const bytes = (ids: Int32Array): Uint8Array => new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
  return contentHash(...pairs.flatMap((pair) => [bytes(pair.prompt), bytes(pair.chosen), bytes(pair.rejected)]));
}
