import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../util/errors';
import { readText } from '../util/files';
import { baseFolder } from './adapters/adapterFolder';
import { jinja, type JinjaEnvironment, type JinjaProgram } from './jinja';
import { strftime } from './strftime';
import { tokenText } from './tokenizers/addedTokens';
import { NAMED_TOKENS, optionalObject, readTokenizerSource } from './tokenizers/tokenizerSource';

/** One turn of a conversation. `content` is text, or a list of parts where the template takes such; other fields go to the template as they are. */
export interface Message {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** Whether the text ends with what starts an assistant's turn. */
  generationPrompt?: boolean;
  /** JSON schemas of tools; null or absent: none. */
  tools?: readonly unknown[] | null;
  /** Further variables of the template (`enable_thinking`, `date_string`, …). */
  variables?: Readonly<Record<string, unknown>>;
}

/** A model's chat template: messages to the text that the model was trained on, special tokens written out. */
export interface ChatTemplate {
  /** @throws UserError where the template refuses the messages, in its own words */
  render(messages: readonly Message[], options?: RenderOptions): string;
}

/** Where a template may stand, in the order in which transformers looks; the last is a processor's. */
export const CHAT_TEMPLATE_FILES = ['chat_template.jinja', 'chat_template.json'];
/** Holds `NAME.jinja`, templates beside the default one. */
export const NAMED_TEMPLATES_FOLDER = 'additional_chat_templates';

/**
 * Loads a model folder's chat template: chat_template.jinja, else tokenizer_config.json's `chat_template` (text, or a list of named
 * ones), else chat_template.json. An adapter's own comes before its base model's. Rendered as transformers does it: first newline after a block and
 * white space before it trimmed, `bos_token` and its kin, `raise_exception`, `strftime_now` (local time, English names).
 * @param now what `strftime_now` tells
 * @throws UserError where there is none, or one that cannot be parsed, naming the file
 */
export async function loadChatTemplate(named: string, now = new Date()): Promise<ChatTemplate> {
  const base = await baseFolder(named);
  const found = await ownOrBaseTemplates(named, base);
  if (!found)
    throw new UserError(
      `${base}: has no chat template, which conversations (and --apply-chat-template) need: put one into chat_template.jinja, or chat_template in tokenizer_config.json`,
    );
  const { templates, file } = found;
  const programs = new Map(
    [...templates].map(([name, text]) => [name, parseTemplate(text, name === 'default' ? file : `${file} (${name})`)]),
  );
  const { config } = await readTokenizerSource(base);
  const tokens = Object.fromEntries(
    NAMED_TOKENS.map((name) => [name, tokenText(config[name])] as const).filter(([, text]) => text !== undefined),
  );
  return {
    render(messages, { generationPrompt = false, tools, variables } = {}) {
      const given = tools && tools.length > 0 ? tools : null;
      const program = programs.get(given && programs.has('tool_use') ? 'tool_use' : 'default');
      if (!program) throw new UserError(`${file}: no chat template is named "default" (found: ${[...programs.keys()].join(', ')})`);
      const environment = globals(now);
      const values = { ...tokens, documents: null, ...variables, messages: messages.map(plainMessage), tools: given };
      try {
        for (const [name, value] of Object.entries({ ...values, add_generation_prompt: generationPrompt })) environment.set(name, value);
        return new jinja.Interpreter(environment).run(program).value;
      } catch (error) {
        throw new UserError(`the chat template (${file}) refuses the messages: ${(error as Error).message}`);
      }
    },
  };
}

/** Whether a model folder's chat template asks for the date (`strftime_now`); false where there is none. @throws UserError for a damaged file */
export async function templateReadsDate(named: string): Promise<boolean> {
  const found = await ownOrBaseTemplates(named, await baseFolder(named));
  return found !== undefined && [...found.templates.values()].some((text) => text.includes('strftime_now'));
}

function parseTemplate(text: string, file: string): JinjaProgram {
  try {
    // Jinja reads every line end as one, and the library only \n
    return jinja.parse(jinja.tokenize(text.replace(/\r\n?/g, '\n'), { lstrip_blocks: true, trim_blocks: true }));
  } catch (error) {
    throw new UserError(`${file}: not a chat template that can be read: ${(error as Error).message}`);
  }
}

/** What the library's own `Template` declares, but dates in English: its own follow the machine's language. */
function globals(now: Date): JinjaEnvironment {
  const environment = new jinja.Environment();
  const values: Record<string, unknown> = { true: true, True: true, false: false, False: false, none: null, None: null };
  values.raise_exception = (message: unknown): never => {
    throw new Error(String(message));
  };
  values.range = (start: number, stop?: number, step = 1): number[] => {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step);
  };
  values.strftime_now = (format: string): string => strftime(now, format);
  for (const [name, value] of Object.entries(values)) environment.set(name, value);
  return environment;
}

const REASONING_FIELDS = ['reasoning_content', 'thinking', 'reasoning'];

/** A message without its nulls, and with its reasoning under the name that templates read, as transformers 5 gives it to them. */
function plainMessage(message: Message): Record<string, unknown> {
  const fields = Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null && value !== undefined));
  const reasoning = REASONING_FIELDS.map((name) => fields[name]).find((value) => value !== undefined);
  return reasoning === undefined ? fields : { thinking: reasoning, ...fields, reasoning_content: reasoning };
}

interface FoundTemplates {
  templates: Map<string, string>;
  file: string;
}

async function ownOrBaseTemplates(named: string, base: string): Promise<FoundTemplates | undefined> {
  return (await findTemplates(named)) ?? (base === named ? undefined : await findTemplates(base));
}

async function findTemplates(folder: string): Promise<FoundTemplates | undefined> {
  const templates = new Map<string, string>();
  const [file, json] = CHAT_TEMPLATE_FILES.map((name) => join(folder, name));
  if (existsSync(file)) templates.set('default', await readText(file));
  const others = join(folder, NAMED_TEMPLATES_FOLDER);
  for (const name of existsSync(others) ? (await readdir(others)).sort() : [])
    if (name.endsWith('.jinja')) templates.set(basename(name, '.jinja'), await readText(join(others, name)));
  if (templates.size > 0) return { templates, file };
  for (const file of [join(folder, 'tokenizer_config.json'), json]) {
    const value = (await optionalObject(file)).chat_template;
    if (value !== undefined && value !== null) return { templates: namedTemplates(value, file), file };
  }
  return undefined;
}

function namedTemplates(value: unknown, file: string): Map<string, string> {
  if (typeof value === 'string') return new Map([['default', value]]);
  const list = (Array.isArray(value) ? value : []) as ({ name?: unknown; template?: unknown } | null)[];
  const entries = list.map((entry) => [entry?.name, entry?.template] as const);
  const isNamed = (entry: readonly [unknown, unknown]): entry is readonly [string, string] =>
    entry.every((part) => typeof part === 'string');
  if (entries.length === 0 || !entries.every(isNamed))
    throw new UserError(`${file}: chat_template must be text, or a list of {"name": …, "template": …}`);
  return new Map(entries);
}
