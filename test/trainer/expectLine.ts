/** A line of metrics equals TRL's to 1e-4. */
export function expectLine(actual: Record<string, number>, expected: Record<string, number>): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [key, value] of Object.entries(expected)) {
    // policy = reference: every pair is a tie, broken by rounding since the cached reference comes from other batches
    if (key === 'rewards/accuracies' && expected['rewards/margins'] === 0) continue;
    const error = Math.abs(actual[key] - value) / Math.max(1, Math.abs(value));
    if (!(error <= 1e-4)) throw new Error(`step ${expected.step}: ${key} is ${actual[key]}, TRL has ${value}`);
  }
}
