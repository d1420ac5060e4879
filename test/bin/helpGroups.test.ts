import { evalConfigKeys } from '../../eval/evalConfig';
import { runConfigKeys } from '../../trainer/runConfig';
import { evalGroups, groupHelp, trainGroups } from '../../bin/helpGroups';

test.each([
  ['dpo-train', trainGroups, [...runConfigKeys, 'config']],
  ['dpo-eval', evalGroups, evalConfigKeys],
])('%s: every option stands under one title', (_, groups, keys) => {
  const titled = Object.values(groups).flat();
  expect(new Set(titled).size).toBe(titled.length);
  expect(keys.filter((key) => !titled.includes(key))).toEqual([]);
});

test('flags that a command lacks are left out, and so is a title without any', () => {
  const calls: [string[], string][] = [];
  const parser = { group: (keys: string[], title: string) => calls.push([keys, title]) };
  groupHelp(parser, { 'A:': ['topP', 'seed'], 'B:': ['nothing'] }, ['top-p', 'model']);
  expect(calls).toEqual([[['top-p'], 'A:']]);
});
