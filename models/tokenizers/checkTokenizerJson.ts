import { UserError } from '../../util/errors';
import { nearest } from '../../util/suggest';

type Json = Readonly<Record<string, unknown>>;

/** Ids lie below this: a tokenizer makes a list as long as its largest id. */
export const MOST_TOKENS = 2 ** 24;

/** Whether a value is an id that a token may have. */
export const isTokenId = (id: unknown): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MOST_TOKENS;

/** What @huggingface/tokenizers can read; null: the part may be left out. */
const TYPES = {
  normalizer: [
    ...['BertNormalizer', 'Precompiled', 'Sequence', 'Replace', 'NFC', 'NFD', 'NFKC', 'NFKD'],
    ...['Strip', 'StripAccents', 'Lowercase', 'Prepend'],
  ],
  pre_tokenizer: [
    ...['BertPreTokenizer', 'Sequence', 'Whitespace', 'WhitespaceSplit', 'Metaspace', 'ByteLevel', 'Split'],
    ...['Punctuation', 'Digits', 'Replace', 'FixedLength'],
  ],
  post_processor: ['TemplateProcessing', 'ByteLevel', 'BertProcessing', 'RobertaProcessing', 'Sequence'],
  decoder: ['ByteLevel', 'WordPiece', 'Metaspace', 'BPEDecoder', 'CTC', 'Sequence', 'Replace', 'Fuse', 'Strip', 'ByteFallback'],
} as const;
const MODELS = ['BPE', 'Unigram', 'WordPiece', 'WordLevel'];
/** Where a Sequence of each part keeps its parts. */
const MEMBERS = { normalizer: 'normalizers', pre_tokenizer: 'pretokenizers', post_processor: 'processors', decoder: 'decoders' } as const;

/**
 * Checks what is read of a tokenizer.json, before the library meets it: types of the parts, vocabulary, merges and added tokens. The library itself
 * would take much for granted, and make another tokenizer of what it does not know.
 * @returns the same, parts that are left out as null
 * @throws UserError naming the file, the field, what was found and what is allowed
 */
export function checkTokenizerJson(json: unknown, file: string): Record<string, unknown> {
  const fail = (field: string, found: unknown, wanted: string): never => {
    throw new UserError(`${file}: ${field} is ${shown(found)}; it must be ${wanted}`);
  };
  if (!isObject(json)) return fail('the whole', json, 'an object with model.vocab: this is no tokenizer');
  if (!isObject(json.model) || typeof json.model.vocab !== 'object' || json.model.vocab === null)
    throw new UserError(`${file}: not a tokenizer that can be read: it has no model.vocab`);
  const parts = Object.keys(TYPES) as (keyof typeof TYPES)[];
  for (const name of parts) checkPart(json[name], name, name, fail);
  checkModel(json.model, fail);
  checkAddedTokens(json.added_tokens, fail);
  return { ...Object.fromEntries(parts.map((name) => [name, null])), ...json };
}

type Fail = (field: string, found: unknown, wanted: string) => never;

function checkPart(part: unknown, kind: keyof typeof TYPES, field: string, fail: Fail): void {
  if (part === undefined || part === null) return;
  if (!isObject(part)) return fail(field, part, 'an object with a type, or null');
  const types: readonly string[] = TYPES[kind];
  const { type } = part;
  if (typeof type !== 'string' || !types.includes(type)) {
    const guess = typeof type === 'string' ? nearest(type, types) : undefined;
    return fail(`${field}.type`, type, `one of ${types.join(', ')}${guess ? `; did you mean ${guess}?` : ''}`);
  }
  if (type === 'Sequence') {
    const members = part[MEMBERS[kind]];
    const list = `${field}.${MEMBERS[kind]}`;
    if (!Array.isArray(members)) return fail(list, members, 'a list');
    members.forEach((member, i) =>
      isObject(member) ? checkPart(member, kind, `${list}[${i}]`, fail) : fail(`${list}[${i}]`, member, 'an object with a type'),
    );
  }
  if (type === 'Split' || type === 'Replace') {
    const pattern = isObject(part.pattern) ? (part.pattern.Regex ?? part.pattern.String) : undefined;
    if (typeof pattern !== 'string') fail(`${field}.pattern`, part.pattern, '{"String": …} or {"Regex": …}');
  }
  if (type === 'TemplateProcessing') checkTemplate(part, field, fail);
  if (type === 'BertProcessing' || type === 'RobertaProcessing')
    for (const name of ['cls', 'sep'])
      if (!Array.isArray(part[name]) || typeof part[name][0] !== 'string') fail(`${field}.${name}`, part[name], 'a token and its id');
  for (const name of ['content', 'replacement', 'prepend', 'precompiled_charsmap', 'prefix'])
    if (part[name] !== undefined && part[name] !== null && typeof part[name] !== 'string') fail(`${field}.${name}`, part[name], 'text');
}

function checkTemplate(part: Json, field: string, fail: Fail): void {
  for (const name of ['single', 'pair']) {
    const items = part[name];
    if (name === 'pair' && (items === undefined || items === null)) continue;
    if (!Array.isArray(items)) return fail(`${field}.${name}`, items, 'a list');
    items.forEach((item: unknown, i) => {
      const inner = isObject(item) ? (item.SpecialToken ?? item.Sequence) : undefined;
      if (!isObject(inner) || typeof inner.id !== 'string')
        fail(`${field}.${name}[${i}]`, item, '{"SpecialToken": {"id": …}} or {"Sequence": {"id": …}}');
    });
  }
}

function checkModel(model: Json, fail: Fail): void {
  const { type, vocab } = model;
  if (type !== undefined && type !== null && !MODELS.includes(type as string)) fail('model.type', type, `one of ${MODELS.join(', ')}`);
  if (Array.isArray(vocab)) {
    if (type !== 'Unigram' && type !== undefined && type !== null)
      fail('model.vocab', vocab, `an object of ids by their tokens in a ${String(type)} model`);
    vocab.forEach((entry: unknown, i) => {
      const [piece, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
      if (typeof piece !== 'string' || typeof score !== 'number') fail(`model.vocab[${i}]`, entry, 'a piece and its score');
    });
    const { unk_id: unknown } = model;
    const given = unknown !== undefined && unknown !== null;
    if (vocab.length === 0) fail('model.vocab', vocab, 'a list with a piece at least');
    if (given && !(isTokenId(unknown) && unknown < vocab.length)) fail('model.unk_id', unknown, `an id below ${vocab.length}`);
    return;
  }
  if (type === 'Unigram') fail('model.vocab', vocab, 'a list of pieces and their scores in a Unigram model');
  checkIds(vocab as Json, fail);
  const { unk_token: unknown, merges } = model;
  if (unknown !== undefined && unknown !== null && typeof unknown !== 'string') fail('model.unk_token', unknown, 'a token, or null');
  if (type === 'WordPiece' && !Object.hasOwn(vocab as Json, String(unknown))) fail('model.unk_token', unknown, 'a token of model.vocab');
  if (type === 'BPE') checkMerges(merges, vocab as Json, fail);
}

// plain loops in both: a vocabulary has hundreds of thousands of tokens and twice as many merges, and every tokenising worker checks them
function checkIds(vocab: Json, fail: Fail): void {
  const tokens = Object.keys(vocab);
  const isTaken = new Uint8Array(MOST_TOKENS);
  for (const token of tokens) {
    const id = vocab[token];
    if (!isTokenId(id)) return fail(`model.vocab[${JSON.stringify(token)}]`, id, `a whole number from 0 to ${MOST_TOKENS - 1}`);
    if (isTaken[id]) {
      const other = tokens.find((earlier) => vocab[earlier] === id);
      fail(`model.vocab[${JSON.stringify(token)}]`, id, `another id than that of ${JSON.stringify(other)}`);
    }
    isTaken[id] = 1;
  }
}

function checkMerges(merges: unknown, vocab: Json, fail: Fail): void {
  if (!Array.isArray(merges)) return fail('model.merges', merges, 'a list');
  // the library looks at the first alone to tell which way all are written
  const paired = Array.isArray(merges[0]);
  for (let i = 0; i < merges.length; i++) {
    const merge: unknown = merges[i];
    const parts: unknown = !paired && typeof merge === 'string' ? merge.split(' ') : merge;
    const isPair = Array.isArray(parts) && parts.length === 2 && typeof parts[0] === 'string' && typeof parts[1] === 'string';
    if (!isPair || (!paired && parts === merge))
      return fail(`model.merges[${i}]`, merge, paired ? 'a list of two tokens' : 'two tokens with one space between them');
    const [left, right] = parts as [string, string];
    if (!Object.hasOwn(vocab, left) || !Object.hasOwn(vocab, right)) {
      const stranger = Object.hasOwn(vocab, left) ? right : left;
      fail(`model.merges[${i}]`, merge, `of tokens in model.vocab, which has no ${JSON.stringify(stranger)}`);
    }
  }
}

function checkAddedTokens(tokens: unknown, fail: Fail): void {
  if (tokens === undefined || tokens === null) return;
  if (!Array.isArray(tokens)) return fail('added_tokens', tokens, 'a list');
  tokens.forEach((token: unknown, i) => {
    if (!isObject(token)) return fail(`added_tokens[${i}]`, token, 'an object with id and content');
    if (!isTokenId(token.id)) fail(`added_tokens[${i}].id`, token.id, `a whole number from 0 to ${MOST_TOKENS - 1}`);
    if (typeof token.content !== 'string' || token.content === '') fail(`added_tokens[${i}].content`, token.content, 'text');
  });
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value in short. */
function shown(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}
