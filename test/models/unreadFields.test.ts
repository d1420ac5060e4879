import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { architectureFor } from '../../models/registry';
import { watchReads } from '../../models/unreadFields';
import { goldenModels } from './goldens';

test('fields that were not asked for, in nested objects too', () => {
  const { json, unread } = watchReads({ a: 1, b: 2, inner: { c: 3, d: 4 }, other: { e: 5 }, list: [{ f: 6 }] });
  expect([json.a, (json.inner as Record<string, unknown>).c, json.list]).toEqual([1, 3, [{ f: 6 }]]);
  expect(unread()).toEqual(['b', 'inner.d', 'other']);
  void json.b;
  expect(unread()).toEqual(['inner.d', 'other']);
});

test('what is absent by its value, and what belongs to no forward pass, is not among them', () => {
  const bookkeeping = { architectures: ['X'], torch_dtype: 'float32', use_cache: true, resid_pdrop: 0.1, hidden_dropout_prob: 0.1 };
  const { unread } = watchReads({ ...bookkeeping, nothing: null, off: false, none: 0, on: true });
  expect(unread()).toEqual(['none', 'on']);
});

test('an architecture reads what it needs, and a field from elsewhere is left', () => {
  const config = JSON.parse(readFileSync(join(goldenModels, 'llama/config.json'), 'utf8')) as Record<string, unknown>;
  const { json, unread } = watchReads({ ...config, mixture_of_depths: { capacity: 0.5 } });
  architectureFor('llama', 'config.json').parseConfig(json, 'config.json');
  expect(unread()).toEqual(['pretraining_tp', 'mixture_of_depths']);
});
