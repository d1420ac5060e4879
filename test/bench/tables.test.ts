import type { MeasuredComparison } from '../../bench/measure';
import { comparisonTable, estimatesTable, profileTables, rooflineTable } from '../../bench/tables';

const step: MeasuredComparison = {
  title: 'a step',
  ours: {
    label: 'dpo-trainer',
    summary: { runs: 3, min: 10, median: 20 },
    printed: { times_ms: [], versions: {}, work: { flops: 4e9, bytes: 8e6 } },
    peakBytes: 3 * 2 ** 29,
  },
  peers: [
    { label: 'TRL', summary: { runs: 3, min: 40, median: 60 }, printed: { times_ms: [], versions: {} }, peakBytes: 2 ** 20 },
    { label: 'TRL with Liger', missing: 'python3 has no liger_kernel' },
  ],
};

test('ratios are the peer over us, minimum and median; a missing peer is named', () => {
  const lines = comparisonTable([step]).split('\n');
  expect(lines[2]).toBe('| a step | 10.0, 20.0 | TRL | 40.0, 60.0 | 4.00, 3.00 | 1.50 GiB | 1.00 MiB |');
  expect(lines[3]).toBe('| a step | 10.0, 20.0 | TRL with Liger | – | – | 1.50 GiB | – |');
  expect(lines.at(-1)).toBe('Not measured: TRL with Liger: python3 has no liger_kernel.');
});

test('the roofline is products at the peak and traffic at the bandwidth; its share is of the median', () => {
  const table = rooflineTable([step], { flopsPerSecond: 1e12, bytesPerSecond: 8e9 });
  // 4 ms of products, 1 ms of traffic
  expect(table.split('\n').at(-1)).toBe('| a step | 4.00 | 8.00 | 5.00 | 20.0 | 25 % |');
  expect(table).toContain('1000 GFLOP/s');
});

test('a profile names layers and kernels with their shares', () => {
  const printed = {
    times_ms: [],
    versions: {},
    parts: [
      { name: 'operators', ms: 3, count: 12 },
      { name: 'TypeScript', ms: 1 },
    ],
    kernels: [{ name: 'aten::mm', count: 2, ms: 1.5 }],
    kernelsMs: 3,
    overheadMicroseconds: 4.2,
    warmOverheadMicroseconds: 2.1,
  };
  const text = profileTables({ title: 'one', ours: { label: 'ours', printed }, peers: [] });
  expect(text).toContain("one: 4.00 ms a step, of which the engine's TypeScript takes 4.20 µs an operation;");
  expect(text).toContain('caches, 2.10.');
  expect(text).toContain('| operators | 12.0 | 3.00 | 75.0 % |');
  expect(text).toContain('| `aten::mm` | 2 | 1.50 | 50.0 % |');
  expect(profileTables({ title: 'one', ours: { label: 'ours', missing: 'no compiler' }, peers: [] })).toBe(
    'Not measured: one: no compiler.',
  );
});

test('estimates: the least time of each, the largest memory, and their ratios', () => {
  const printed = (times_ms: number[], figures: Record<string, number>) => ({ times_ms, versions: {}, ...figures });
  const estimates = [printed([110], { peak: 2e8 }), printed([99], { peak: 2e8 })];
  const steps = [printed([130, 100], { growth: 1.9e8 }), printed([105], { growth: 2.5e8 })];
  expect(estimatesTable([{ title: 'x', estimates, steps }])).toContain('| x | 99.0 | 100 | 0.99 | 200 | 250 | 0.80 |');
});
