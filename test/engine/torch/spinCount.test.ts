import { spinCount } from '../../../engine/torch/spinCount';

test.each<[string, string, number, number]>([
  ['an idle machine', '0.05 0.30 1.20 1/311 4242', 2, 20_000],
  ['the command before this one has just ended', '1.90 1.10 0.60 1/311 4242', 2, 20_000],
  ["a moment of the system's own work", '0.10 0.05 0.01 3/311 4242', 2, 20_000],
  ['two programs on two cores', '2.10 1.80 1.20 3/311 4242', 2, 1_000],
  ['two programs on sixteen cores', '2.10 1.80 1.20 3/311 4242', 16, 20_000],
  ['a full machine', '17.50 16.00 9.00 19/900 4242', 16, 1_000],
  ['a system that does not say', '', 8, 20_000],
])('%s', (_, loadAverage, cores, expected) => {
  expect(spinCount(loadAverage, cores)).toBe(expected);
});
