import { UserError } from '../../util/errors';
import { isTokenId, MOST_TOKENS } from './checkTokenizerJson';

/** A token beside the model's own vocabulary, as tokenizer.json's `added_tokens` lists it. */
export interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** Special tokens with a name of their own; any other key that ends in `_token` names one as well, as transformers has it. */
const isTokenKey = (key: string): boolean => /_token$/.test(key) && !/^(add|use)_/.test(key);

/** The text of a special token, written as text or as an object. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = typeof value === 'object' && value !== null ? (value as Json).content : undefined;
  return typeof content === 'string' ? content : undefined;
}

/** Texts of all special tokens that a tokenizer's config names. */
export function specialTokenTexts(config: Json): string[] {
  const named = Object.entries(config).flatMap(([key, value]) => (isTokenKey(key) ? [value] : []));
  const listed = [config.additional_special_tokens, config.extra_special_tokens].flatMap((value) =>
    typeof value === 'object' && value !== null ? Object.values(value) : [],
  );
  return [...new Set([...named, ...listed].map(tokenText).filter((text) => text !== undefined))];
}

/**
 * The added tokens of a tokenizer: those of tokenizer.json, those that tokenizer_config.json (`added_tokens_decoder`) or, in older
 * folders, added_tokens.json declares, and every special token of the vocabulary, as transformers 5 puts them together. A special
 * token that has no id anywhere stays out: transformers would number it beyond the model's embedding.
 * @param listed tokenizer.json's own
 * @param idOf the model's vocabulary
 * @param addedFile added_tokens.json, token to id; null where there is none
 * @throws UserError naming the file and the token whose id is none
 */
export function addedTokens(
  listed: readonly AddedToken[],
  idOf: (content: string) => number | undefined,
  config: Json,
  configFile: string,
  addedFile: { path: string; tokens: Json } | null,
): AddedToken[] {
  const special = specialTokenTexts(config);
  const isSpecial = new Set(special);
  const tokens = new Map(listed.map((token) => [token.content, { ...token }]));
  const add = (token: Omit<AddedToken, 'id'>, id: number): void => {
    if (!tokens.has(token.content)) tokens.set(token.content, { id: idOf(token.content) ?? id, ...token });
  };
  const declared = declaredTokens(config, configFile, isSpecial) ?? (addedFile ? addedFileTokens(addedFile, isSpecial) : []);
  for (const { id, ...token } of declared.sort((a, b) => a.id - b.id)) add(token, id);
  for (const content of special) {
    const id = idOf(content);
    if (id !== undefined) add(plainToken(content, true), id);
    const token = tokens.get(content);
    if (token) token.special = true;
  }
  return [...tokens.values()].sort((a, b) => a.id - b.id);
}

function plainToken(content: string, special: boolean): Omit<AddedToken, 'id'> {
  return { content, single_word: false, lstrip: false, rstrip: false, normalized: !special, special };
}

function declaredTokens(config: Json, file: string, isSpecial: ReadonlySet<string>): AddedToken[] | undefined {
  const declared = config.added_tokens_decoder;
  if (declared === undefined || declared === null) return undefined;
  if (typeof declared !== 'object') throw new UserError(`${file}: added_tokens_decoder must be an object: tokens by their ids`);
  return Object.entries(declared).map(([key, value]) => {
    const content = tokenText(value);
    if (content === undefined) throw new UserError(`${file}: added_tokens_decoder.${key} has no content`);
    const id = checkedId(Number(key), key, `${file}: added_tokens_decoder`);
    return { ...plainToken(content, isSpecial.has(content)), ...(value as object), id };
  });
}

function addedFileTokens({ path, tokens }: { path: string; tokens: Json }, isSpecial: ReadonlySet<string>): AddedToken[] {
  return Object.entries(tokens).map(([content, value]) => ({
    ...plainToken(content, isSpecial.has(content)),
    id: checkedId(value, value, `${path}: the token ${JSON.stringify(content)}`),
  }));
}

function checkedId(id: unknown, found: unknown, place: string): number {
  if (isTokenId(id)) return id;
  throw new UserError(`${place} has the id ${JSON.stringify(found)}; it must be a whole number from 0 to ${MOST_TOKENS - 1}`);
}
