/** What SentencePiece writes for a space. */
export const UNDERLINE = '▁';

/** Byte pieces that spell a text. */
export function byteTokens(text: string): string[] {
  return Array.from(Buffer.from(text), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
}

/** tokenizer.json's model of a SentencePiece BPE vocabulary; letters that it lacks are spelled in bytes. */
export function sentencePieceBpe(
  vocab: Readonly<Record<string, number>>,
  merges: readonly [string, string][],
  unknown: string | null,
  byteFallback = true,
): Record<string, unknown> {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: unknown,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: byteFallback,
    ignore_merges: false,
    vocab,
    merges,
  };
}

/** Pieces to text. @param stripFirstSpace where the encoder put a space in front */
export function sentencePieceDecoder(stripFirstSpace: boolean): object {
  return {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: UNDERLINE }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      ...(stripFirstSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
    ],
  };
}
