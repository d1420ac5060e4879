import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { measure } from '../../bench/measure';
import { commandOf, reasonOf, type Outcome } from '../../bench/runProgram';
import { comparisons, GROUPS, type Comparison, type Program } from '../../bench/suite';
import { summary } from '../../bench/summary';
import { packageRoot } from '../../util/packageRoot';
import { silent } from '../../util/progress';

const program = (label: string): Program => ({ label, script: label, options: {} });
const comparison: Comparison = { title: 'work', ours: program('ours'), peers: [program('fast'), program('gone')] };

test('programs run in turn, times of all rounds are put together, a missing one is asked once', async () => {
  const asked: string[] = [];
  const run = async (_side: string, { label }: Program): Promise<Outcome> => {
    asked.push(label);
    if (label === 'gone') return { missing: 'not there' };
    const place = asked.length;
    return { printed: { times_ms: [place, place + 0.5], peak_bytes: 100 - place, versions: {} } };
  };
  const { ours, peers } = await measure(comparison, 2, silent, run);
  expect(asked).toEqual(['ours', 'fast', 'gone', 'ours', 'fast']);
  expect(ours).toMatchObject({ summary: { runs: 4, min: 1, median: (1.5 + 4) / 2 }, peakBytes: 99 });
  expect(peers[0]).toMatchObject({ label: 'fast', summary: { min: 2, median: (2.5 + 5) / 2 } });
  expect(peers[1]).toEqual({ label: 'gone', missing: 'not there' });
});

test('work that cannot be done here runs nothing', async () => {
  const run = jest.fn();
  const { ours } = await measure({ ...comparison, missing: 'no file' }, 2, silent, run);
  expect(run).not.toHaveBeenCalled();
  expect(ours).toEqual({ label: 'ours', missing: 'no file' });
});

test('minimum and median of odd and even counts', () => {
  expect(summary([3, 1, 2])).toEqual({ runs: 3, min: 1, median: 2 });
  expect(summary([4, 1, 2, 3])).toEqual({ runs: 4, min: 1, median: 2.5 });
  expect(() => summary([])).toThrow('nothing was timed');
});

test('why a program gave no figures', () => {
  expect(reasonOf('python3', 1, "Traceback\nModuleNotFoundError: No module named 'trl.trainer'")).toBe('python3 has no trl');
  expect(reasonOf('/opt/venv/bin/python', 1, "ModuleNotFoundError: No module named 'trl'")).toBe('python has no trl');
  expect(reasonOf('python9', 'ENOENT', '')).toBe('there is no python9');
  expect(reasonOf('node', 1, 'error: the file is gone\n  at x')).toBe('ended with 1: error: the file is gone');
});

test('a step of a real model is left out where its folder is not there', () => {
  const base = { gpu: false, quick: false, device: 'cpu', pairs: 'p.json' };
  expect(comparisons('gemma', base)[0].missing).toMatch(/^no folder of Gemma 3 270M: /);
  const [there] = comparisons('gemma', { ...base, model: 'gemma', texts: 't.json' });
  expect(there.missing).toBeUndefined();
  expect(there.ours.options).toMatchObject({ model: 'gemma', texts: 't.json', batch: 8, precompute: true });
});

test.each(['cpu', 'cuda'])('every program of the %s set is there, quick and in full', (device) => {
  for (const quick of [true, false])
    for (const group of GROUPS)
      for (const { ours, peers } of comparisons(group, { gpu: device === 'cuda', quick, device, pairs: 'p.json', gguf: 'm.gguf' })) {
        expect(existsSync(join(packageRoot(), `bench/ours/${ours.script}.ts`))).toBe(true);
        for (const peer of peers) {
          const [, [script, options]] = commandOf('peers', peer);
          expect(existsSync(script)).toBe(true);
          // the same work but for what the peer's own variant adds
          expect(JSON.parse(options)).toMatchObject(JSON.parse(JSON.stringify(ours.options)));
        }
      }
});

test('without a GGUF file the import says so', () => {
  const [only] = comparisons('import', { gpu: false, quick: false, device: 'cpu', pairs: 'p.json' });
  expect(only.missing).toContain('--gguf');
});
