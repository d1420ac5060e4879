import { startEngine } from '../../engine/startEngine';
import { torch } from '../../engine/torch/binding';
import { UserError } from '../../util/errors';

test.each(['torch', 'tfjs'] as const)('%s on a CPU refuses --tf32', async (engine) => {
  const started = startEngine({ engine, device: 'cpu', precision: 'float32', tf32: true });
  await expect(started).rejects.toThrow(UserError);
  await expect(started).rejects.toThrow(/^--tf32: /);
});

test.each(['peakMemory', 'freeMemory'] as const)("a CPU's memory is not counted: %s", async (figure) => {
  expect(await startEngine({ engine: 'torch', device: 'cpu', precision: 'float32' })).not.toHaveProperty(figure);
  expect(() => torch()[figure]('cpu')).toThrow("only a GPU's memory is counted");
});

test("TF32 is libtorch's switch", () => {
  expect([torch().tf32(true), torch().tf32(false)]).toEqual([true, false]);
});
