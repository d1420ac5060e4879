import { UserError } from '../../../util/errors';
import type { GgufHeader } from '../ggufArchitecture';

/** The sizes that every decoder's metadata state. */
export interface DecoderFields {
  layers: number;
  width: number;
  innerWidth: number;
  heads: number;
  keyValueHeads: number;
  headWidth: number;
  /** The longest sequence. */
  positions: number;
}

/**
 * Reads the sizes and checks them against each other and the file, so that no senseless one becomes a message about some tensor.
 * @param innerTimes the inner width where the metadata have none, in widths; undefined: they must
 * @throws UserError naming the file, the metadata entry, what it is and what is allowed
 */
export function decoderFields({ metadata, architecture, tensors }: GgufHeader, innerTimes?: number): DecoderFields {
  const key = (name: string): string => `${architecture}.${name}`;
  const refuse = (name: string, found: number, allowed: string): UserError =>
    new UserError(`${metadata.path}: metadata entry ${key(name)} is ${found}; it must be ${allowed}`);
  if (metadata.has(key('expert_count')) && metadata.number(key('expert_count')) > 0)
    throw refuse('expert_count', metadata.number(key('expert_count')), '0: mixtures of experts cannot be imported');
  const layers = metadata.count(key('block_count'));
  const found = new Set([...tensors].map((name) => /^blk\.(\d+)\./.exec(name)?.[1]).filter((layer) => layer !== undefined)).size;
  if (layers > Math.max(found, 1)) throw refuse('block_count', layers, `${found}: the tensors are of as many layers`);
  const width = metadata.count(key('embedding_length'));
  const heads = metadata.count(key('attention.head_count'));
  const keyValueHeads = metadata.count(key('attention.head_count_kv'), heads);
  if (heads % keyValueHeads !== 0)
    throw refuse('attention.head_count_kv', keyValueHeads, `a divisor of ${key('attention.head_count')} (${heads})`);
  if (!metadata.has(key('attention.key_length')) && width % heads !== 0)
    throw refuse('attention.head_count', heads, `a divisor of ${key('embedding_length')} (${width})`);
  const headWidth = metadata.count(key('attention.key_length'), width / heads);
  const valueWidth = metadata.count(key('attention.value_length'), headWidth);
  if (valueWidth !== headWidth)
    throw refuse('attention.value_length', valueWidth, `${key('attention.key_length')} (${headWidth}): keys and values of one width`);
  return {
    layers,
    width,
    innerWidth: metadata.count(key('feed_forward_length'), innerTimes && innerTimes * width),
    heads,
    keyValueHeads,
    headWidth,
    positions: metadata.count(key('context_length')),
  };
}
