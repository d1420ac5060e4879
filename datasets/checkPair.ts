import { UserError } from '../util/errors';
import type { PreferencePair } from './types';

const FIELDS = ['prompt', 'chosen', 'rejected'] as const;

/**
 * Makes a pair of what one line of the user's file holds. Texts are taken as they are: a completion keeps its leading space,
 * so that prompt + completion reads, and tokenises, as text does (TRL's standard format).
 * @param fields what the line holds, by name
 * @param place `file:line`, in front of every message
 * @throws UserError for a missing field, one that is not text, an empty completion, or two equal sides
 */
export function checkPair(fields: Readonly<Record<string, unknown>>, place: string): PreferencePair {
  for (const field of FIELDS) {
    if (!Object.hasOwn(fields, field)) {
      const found = Object.keys(fields).slice(0, 12).join(', ');
      throw new UserError(`${place}: no field "${field}" (found: ${found || 'none'}); a pair needs ${FIELDS.join(', ')}`);
    }
    const value = fields[field];
    if (Array.isArray(value))
      throw new UserError(`${place}: "${field}" is a list (TRL's conversational format); give ${FIELDS.join(', ')} as plain text`);
    if (typeof value !== 'string')
      throw new UserError(`${place}: "${field}" is ${value === null ? 'null' : `a ${typeof value}`}, it must be text`);
  }
  const { prompt, chosen, rejected } = fields as Record<(typeof FIELDS)[number], string>;
  for (const [name, text] of [['chosen', chosen] as const, ['rejected', rejected] as const])
    if (text.trim() === '') throw new UserError(`${place}: "${name}" is empty; a completion needs some text`);
  if (chosen === rejected) throw new UserError(`${place}: chosen and rejected are equal; a pair needs two different completions`);
  return { prompt, chosen, rejected };
}
