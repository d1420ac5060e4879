import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadChatTemplate, type Message } from '../../models/chatTemplate';
import { templateDay } from '../../models/templateDay';
import { dayStart } from '../../util/calendarDay';
import { strftime } from '../../models/strftime';
// what transformers rendered: test/goldens/chatTemplates.py
import golden from '../goldens/chatTemplates.json';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'template-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A model folder with the golden tokenizer, further fields of its config, and further files. */
async function folder(name: string, config: object = {}, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const path = join(root, name);
  await mkdir(join(path, 'additional_chat_templates'), { recursive: true });
  await writeFile(join(path, 'tokenizer.json'), JSON.stringify(golden['tokenizer.json']));
  await writeFile(join(path, 'tokenizer_config.json'), JSON.stringify({ ...golden['tokenizer_config.json'], ...config }));
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}
const turn: Message[] = [{ role: 'user', content: 'x' }];

interface Rendered {
  messages: Message[];
  variables: Record<string, unknown>;
  generationPrompt: boolean;
  text?: string;
  error?: string;
}

test.each(Object.keys(golden.templates))('%s: rendered as transformers does it', async (name) => {
  const { template, rendered } = golden.templates[name as keyof typeof golden.templates];
  const { render } = await loadChatTemplate(await folder(name, { chat_template: template }));
  for (const { messages, variables, generationPrompt, text, error } of rendered as unknown as Rendered[]) {
    const run = () => render(messages, { generationPrompt, variables });
    if (error === undefined) expect(run()).toBe(text);
    else expect(run).toThrow(`refuses the messages: ${error}`);
  }
});

test('the first of chat_template.jinja, tokenizer_config.json and chat_template.json, and named ones', async () => {
  const config = { chat_template: 'config' };
  const json = { 'chat_template.json': JSON.stringify({ chat_template: 'json' }) };
  const text = async (path: string, tools?: unknown[]) => (await loadChatTemplate(path)).render(turn, { tools });
  expect(await text(await folder('first', config, { ...json, 'chat_template.jinja': 'file\r\n' }))).toBe('file');
  expect(await text(await folder('second', config, json))).toBe('config');
  expect(await text(await folder('third', {}, json))).toBe('json');
  const named = [
    { name: 'default', template: 'default {{ tools }}' },
    { name: 'tool_use', template: 'tools {{ tools | length }}' },
  ];
  const list = await folder('named', { chat_template: named });
  expect([await text(list), await text(list, []), await text(list, [{}])]).toEqual(['default ', 'default ', 'tools 1']);
  const files = { 'chat_template.jinja': 'file', 'additional_chat_templates/tool_use.jinja': 'tool file' };
  const beside = await folder('beside', config, files);
  expect([await text(beside), await text(beside, [{}])]).toEqual(['file', 'tool file']);
});

test("an adapter's own template comes before its base model's", async () => {
  const base = await folder('base', { chat_template: 'base {{ eos_token }}' });
  const adapter = join(root, 'adapter');
  await mkdir(adapter);
  await writeFile(join(adapter, 'adapter_config.json'), JSON.stringify({ base_model_name_or_path: base, peft_type: 'LORA' }));
  expect((await loadChatTemplate(adapter)).render(turn)).toBe('base <eos>');
  await writeFile(join(adapter, 'chat_template.jinja'), 'own {{ eos_token }}');
  expect((await loadChatTemplate(adapter)).render(turn)).toBe('own <eos>');
});

test('strftime_now is the local date in English', async () => {
  const at = new Date(2026, 2, 7, 15, 4, 9);
  const path = await folder('date', { chat_template: '{{ strftime_now("%d %b %Y") }}' });
  expect((await loadChatTemplate(path, at)).render(turn)).toBe('07 Mar 2026');
  expect(strftime(at, '%A %-d %B %y, %I:%M:%S %p %a %H%% %q')).toBe('Saturday 7 March 26, 03:04:09 PM Sat 15% %q');
});

test('the day of a run: the one that is asked for, that of the run before, today; none where no date is written', async () => {
  const said: string[] = [];
  const day = (path: string, asked?: string, before?: unknown) => templateDay(path, { asked, before }, (line) => said.push(line));
  const dated = await folder('dated', { chat_template: '{{ strftime_now("%d %b %Y") }}' });
  const undated = await folder('undated', { chat_template: 'x' });
  expect(await day(dated, '2026-03-07', '2025-01-01')).toBe('2026-03-07');
  expect(await day(dated, undefined, '2025-01-01')).toBe('2025-01-01');
  expect(said).toEqual([]);
  const now = dayStart((await day(dated, undefined, 'damaged'))!)!;
  expect(Date.now() - now.getTime()).toBeLessThan(26 * 3600_000);
  expect(said).toEqual([expect.stringMatching(/^the chat template writes the date: \d{4}-\d\d-\d\d \(--chat-template-date sets it\)$/)]);
  expect(await day(undated, undefined, '2025-01-01')).toBeUndefined();
  await expect(day(undated, '2026-03-07')).rejects.toThrow(/--chat-template-date is 2026-03-07: the chat template of .* writes no date/);
  expect((await loadChatTemplate(dated, dayStart('2026-03-07'))).render(turn)).toBe('07 Mar 2026');
});

test.each(['2026-02-29', '2026-13-01', '2026-3-7', '26-03-07', 'today', ''])('%j is no day', (text) => {
  expect(dayStart(text)).toBeUndefined();
});

test.each([
  [
    'no template',
    {},
    {},
    /: has no chat template, which conversations \(and --apply-chat-template\) need: put one into chat_template.jinja/,
  ],
  ['broken syntax', { chat_template: '{% for x %}' }, {}, /tokenizer_config.json: not a chat template that can be read: /],
  ['another type', { chat_template: 3 }, {}, /tokenizer_config.json: chat_template must be text, or a list of {"name": …, "template": …}/],
  ['a list of something', { chat_template: ['x', null] }, {}, /tokenizer_config.json: chat_template must be text/],
  ['broken JSON', {}, { 'chat_template.json': '{' }, /chat_template.json: not valid JSON/],
])('refuses %s, naming the file', async (name, config, files, message) => {
  await expect(loadChatTemplate(await folder(`bad ${name}`, config, files))).rejects.toThrow(message);
});

test('refuses named templates without a default one', async () => {
  const path = await folder('no default', { chat_template: [{ name: 'rag', template: 'x' }] });
  await expect(loadChatTemplate(path).then(({ render }) => render(turn))).rejects.toThrow(
    'no chat template is named "default" (found: rag)',
  );
});
