import { batchOrder } from '../../datasets/batches';

test('an epoch meets every pair once, the last batch holding the rest', () => {
  const batches = batchOrder(11, 4, 7, 0);
  expect(batches.map((batch) => batch.length)).toEqual([4, 4, 3]);
  expect(batches.flat().sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('the order follows from seed and epoch alone', () => {
  expect(batchOrder(50, 8, 1, 2)).toEqual(batchOrder(50, 8, 1, 2));
  expect(batchOrder(50, 8, 1, 2)).not.toEqual(batchOrder(50, 8, 1, 3));
  expect(batchOrder(50, 8, 1, 2)).not.toEqual(batchOrder(50, 8, 2, 2));
  expect(batchOrder(50, 10, 1, 2).flat()).toEqual(batchOrder(50, 8, 1, 2).flat());
});
