import type { Message } from '../models/chatTemplate';
import { UserError } from '../util/errors';
import { badJson } from '../util/files';
import { extractPrompt } from './extractPrompt';
import type { ConversationPair, PreferencePair, ReadPair } from './types';

const FIELDS = ['prompt', 'chosen', 'rejected'] as const;

/** Fields of a line that are read: the pair, and what a conversation's template is given besides. */
export const READ_FIELDS: readonly string[] = [...FIELDS, 'tools', 'chat_template_kwargs'];

/**
 * Makes a pair of what one line of the user's file holds: of texts, or of lists of messages (TRL's conversational format, the prompt given
 * or implicit). Texts are taken as they are: a completion keeps its leading space, so that prompt + completion reads, and
 * tokenises, as text does (TRL's standard format).
 * @param fields what the line holds, by name
 * @param place `file:line`, in front of every message
 * @throws UserError for a missing field, one that is neither text nor messages, an empty completion, or two equal sides
 */
export function checkPair(fields: Readonly<Record<string, unknown>>, place: string): ReadPair {
  const isList = (field: string): boolean => Array.isArray(fields[field]);
  if (isList('chosen') && isList('rejected')) return conversation(fields, place);
  for (const field of FIELDS) {
    if (!Object.hasOwn(fields, field)) {
      const found = Object.keys(fields).slice(0, 12).join(', ');
      throw new UserError(`${place}: no field "${field}" (found: ${found || 'none'}); a pair needs ${FIELDS.join(', ')}`);
    }
    const value = fields[field];
    if (Array.isArray(value))
      throw new UserError(
        `${place}: "${field}" is a list, but ${FIELDS.filter((name) => !isList(name)).join(' and ')} not: give all three as messages or all three as text`,
      );
    if (typeof value !== 'string')
      throw new UserError(`${place}: "${field}" is ${value === null ? 'null' : `a ${typeof value}`}, it must be text`);
  }
  const { prompt, chosen, rejected } = fields as unknown as PreferencePair;
  for (const [name, text] of [['chosen', chosen] as const, ['rejected', rejected] as const])
    if (text.trim() === '') throw new UserError(`${place}: "${name}" is empty; a completion needs some text`);
  if (chosen === rejected) throw new UserError(`${place}: chosen and rejected are equal; a pair needs two different completions`);
  return { prompt, chosen, rejected };
}

/** A value in a message: its beginning where it is long. */
export function shownJson(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function conversation(fields: Readonly<Record<string, unknown>>, place: string): ConversationPair {
  const [chosen, rejected] = (['chosen', 'rejected'] as const).map((field) => messages(fields[field], `${place}: "${field}"`));
  if (JSON.stringify(chosen) === JSON.stringify(rejected))
    throw new UserError(`${place}: chosen and rejected are equal; a pair needs two different completions`);
  // a prompt that is text repeats what chosen and rejected begin with (TRL's maybe_extract_prompt)
  const turns = Array.isArray(fields.prompt)
    ? { prompt: messages(fields.prompt, `${place}: "prompt"`), chosen, rejected }
    : extractPrompt(chosen, rejected);
  if (turns.prompt.length === 0)
    throw new UserError(`${place}: chosen and rejected do not begin with the same message, and there is no list of messages "prompt"`);
  const { tools: toolsField, chat_template_kwargs: variables } = fields;
  const tools = typeof toolsField === 'string' ? parsed(toolsField, `${place}: "tools"`) : toolsField;
  if (tools !== undefined && tools !== null && !Array.isArray(tools))
    throw new UserError(`${place}: "tools" must be a list of JSON schemas`);
  if (variables !== undefined && variables !== null && (typeof variables !== 'object' || Array.isArray(variables)))
    throw new UserError(`${place}: "chat_template_kwargs" must be an object`);
  return {
    ...turns,
    ...(tools && { tools: tools as unknown[] }),
    ...(variables && { templateVariables: variables as Record<string, unknown> }),
  };
}

/** @param place of the list, with the field's name */
function messages(value: unknown, place: string): Message[] {
  if (!Array.isArray(value)) throw new UserError(`${place} must be a list of messages, as chosen and rejected are`);
  if (value.length === 0) throw new UserError(`${place} is an empty list; it needs a message`);
  return value.map((message: unknown, i) => {
    const where = `${place}, message ${i + 1}`;
    if (typeof message !== 'object' || message === null || Array.isArray(message))
      throw new UserError(`${where} is ${shownJson(message)}; it must be an object with role and content`);
    const { role, content } = message as Record<string, unknown>;
    if (typeof role !== 'string')
      throw new UserError(
        `${where} has ${role === undefined ? 'no role' : `the role ${JSON.stringify(role)}`}; it must be text such as "user"`,
      );
    if (content !== undefined && content !== null && typeof content !== 'string' && !Array.isArray(content))
      throw new UserError(`${where} has a content that is a ${typeof content}; it must be text`);
    return message as Message;
  });
}

function parsed(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${place} is ${badJson(error)}`);
  }
}
