import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPairs } from '../../datasets/readPairs';
import { tokenizePairs } from '../../datasets/tokenizePairs';
import type { ReadPair } from '../../datasets/types';
// what TRL's DPOTrainer made of the same lines: test/goldens/chatTemplates.py
import golden from '../goldens/chatTemplates.json';

type Name = keyof typeof golden.templates;
const NAMES = Object.keys(golden.templates) as Name[];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'render-'));
  for (const name of [...NAMES, 'none']) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'tokenizer.json'), JSON.stringify(golden['tokenizer.json']));
    const template = name === 'none' ? {} : { chat_template: golden.templates[name as Name].template };
    await writeFile(join(folder, name, 'tokenizer_config.json'), JSON.stringify({ ...golden['tokenizer_config.json'], ...template }));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fromLines(lines: readonly object[]): Promise<readonly ReadPair[]> {
  const path = join(folder, 'pairs.jsonl');
  await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return (await readPairs(path)).pairs;
}

async function ids(pairs: readonly ReadPair[], name: string, applyChatTemplate = false) {
  const options = {
    modelFolder: join(folder, name),
    cacheFolder: join(folder, 'cache'),
    maxPositions: 256,
    source: 'pairs',
    applyChatTemplate,
  };
  const tokenized = await tokenizePairs(pairs, options);
  return tokenized.map(({ prompt, chosen, rejected }) => ({
    prompt_ids: [...prompt],
    chosen_ids: [...chosen],
    rejected_ids: [...rejected],
  }));
}
const expected = (name: Name) =>
  golden.templates[name].pairs.map(({ prompt_ids, chosen_ids, rejected_ids }) => ({ prompt_ids, chosen_ids, rejected_ids }));

test.each(NAMES)("%s: the ids are TRL's, prompt given and implicit", async (name) => {
  expect(await ids(await fromLines(golden.templates[name].pairs), name)).toEqual(expected(name));
});

test('the same from Parquet', async () => {
  const { pairs } = await readPairs(join(__dirname, '../goldens/parquet/conversations.parquet'));
  expect(await ids(pairs, 'llama3')).toEqual(expected('llama3').slice(0, 4));
});

test('texts become turns with applyChatTemplate, and stay texts without', async () => {
  const [turns] = golden.templates.chatml.pairs;
  const text = {
    prompt: turns.prompt![0].content as string,
    chosen: turns.chosen[0].content as string,
    rejected: turns.rejected[0].content as string,
  };
  const [whole] = expected('chatml');
  expect(await ids([text], 'chatml', true)).toEqual([whole]);
  expect((await ids([text], 'chatml'))[0].prompt_ids.length).toBeLessThan(whole.prompt_ids.length);
  // a prompt that is text beside whole conversations is repeated in them
  const [implicit] = golden.templates.chatml.pairs.slice(4);
  expect(await ids(await fromLines([{ ...implicit, prompt: 'the cat sat' }]), 'chatml')).toEqual([whole]);
});

test('a model without a template, and a pair that the template refuses, are named', async () => {
  const pairs = await fromLines(golden.templates.gemma.pairs);
  await expect(ids(pairs, 'none')).rejects.toThrow(/none: has no chat template/);
  await expect(ids([{ prompt: 'a', chosen: 'b', rejected: 'c' }], 'none', true)).rejects.toThrow(/none: has no chat template/);
  const say = (role: string, content: string) => ({ role, content });
  const twice = { prompt: [say('user', 'a'), say('user', 'b')], chosen: [say('assistant', 'c')], rejected: [say('assistant', 'd')] };
  await expect(ids([...pairs, twice], 'gemma')).rejects.toThrow(
    /^pairs: pair 9: the chat template \(.*tokenizer_config.json\) refuses the messages: Conversation roles must alternate/,
  );
  const alike = { prompt: [say('user', 'a')], chosen: [say('assistant', 'c')], rejected: [say('assistant', 'c ')] };
  await expect(ids([alike], 'gemma')).rejects.toThrow('pairs: pair 1: the chat template writes chosen and rejected alike');
});

const messages = (content: unknown, role: unknown = 'assistant') => [{ role, content }];
test.each([
  ['texts beside messages', { prompt: 'x', chosen: messages('a'), rejected: 'b' }, '"chosen" is a list, but prompt and rejected not'],
  ['an empty list', { prompt: messages('p'), chosen: [], rejected: messages('b') }, '"chosen" is an empty list'],
  ['a message that is none', { prompt: messages('p'), chosen: ['hi'], rejected: messages('b') }, '"chosen", message 1 is "hi"'],
  ['no role', { prompt: messages('p'), chosen: messages('a'), rejected: [{ content: 'b' }] }, '"rejected", message 1 has no role'],
  [
    'a role that is no text',
    { prompt: messages('p', 3), chosen: messages('a'), rejected: messages('b') },
    '"prompt", message 1 has the role 3',
  ],
  ['a content that is a number', { prompt: messages('p'), chosen: messages(1), rejected: messages('b') }, 'has a content that is a number'],
  ['equal sides', { prompt: messages('p'), chosen: messages('a'), rejected: messages('a') }, 'chosen and rejected are equal'],
  ['nothing shared', { chosen: messages('a'), rejected: messages('b') }, 'chosen and rejected do not begin with the same message'],
  ['tools that are none', { prompt: messages('p'), chosen: messages('a'), rejected: messages('b'), tools: '{}' }, '"tools" must be a list'],
  [
    'variables that are none',
    { prompt: messages('p'), chosen: messages('a'), rejected: messages('b'), chat_template_kwargs: [1] },
    '"chat_template_kwargs" must be an object',
  ],
])('refuses %s', async (_, line, message) => {
  await expect(fromLines([line])).rejects.toThrow(`pairs.jsonl:1: ${message}`.replace(/pairs.jsonl:1: (chosen|has)/, '$1'));
});
